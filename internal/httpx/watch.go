package httpx

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// Ender is told how the reading of a response's body ended.
type Ender interface {
	// End is called once: with nil at EOF or when the caller closed the body
	// earlier, else with the error that cut the body off. What a Read returns
	// because of a Close is not such an error. No lock is held.
	End(err error)
}

// Watch makes e learn how reading resp's body ends. A response without a body
// has ended already. The wrapper is one allocation, reads and closes straight
// through, may be closed while a Read is under way, and stays an io.Writer with
// a CloseWrite where the body is one (101 Switching Protocols).
func Watch[E Ender](resp *http.Response, e E) {
	if !HasBody(resp) {
		e.End(nil)
		return
	}
	switch body := resp.Body.(type) {
	case io.ReadWriteCloser:
		resp.Body = &watchedConn[E]{watched: watched[E]{body: body, ender: e}}
	default:
		resp.Body = &watched[E]{body: body, ender: e}
	}
}

// HasBody reports whether resp has a body, if only an empty one.
func HasBody(resp *http.Response) bool { return resp.Body != nil && resp.Body != http.NoBody }

type watched[E Ender] struct {
	body    io.ReadCloser
	closing atomic.Bool
	ended   atomic.Bool
	ender   E
}

func (w *watched[E]) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if err != nil {
		// Only io.EOF itself is the end to a reader. The Close of an HTTP/2 stream
		// ends a Read, with an error that says nothing about the peer, before it
		// returns.
		if err == io.EOF || w.closing.Load() {
			w.end(nil)
		} else {
			w.end(err)
		}
	}
	return n, err
}

func (w *watched[E]) Close() error {
	w.closing.Store(true)
	// First the body: whatever End does, the connection is free.
	err := w.body.Close()
	w.end(nil)
	return err
}

func (w *watched[E]) end(err error) {
	if w.ended.CompareAndSwap(false, true) {
		w.ender.End(err)
	}
}

func (w *watched[E]) stuck() bool { return stuck(w.body) }

type watchedConn[E Ender] struct{ watched[E] }

// Write sends p to the peer of an upgraded connection.
func (w *watchedConn[E]) Write(p []byte) (int, error) {
	return w.body.(io.Writer).Write(p)
}

// CloseWrite ends what is sent, as far as the connection can do that.
func (w *watchedConn[E]) CloseWrite() error {
	if c, ok := w.body.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("http: CloseWrite: %w", http.ErrNotSupported)
}
