package httpx

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
)

// Peek reads up to limit bytes of resp's body, waiting for them as long as the
// body does, and puts them back in front of the rest: who reads the body
// afterwards gets the same bytes and the same error. The bytes that it returns
// must not be changed. A body that is also an io.Writer (101 Switching Protocols)
// must not be peeked at.
func Peek(resp *http.Response, limit int) []byte {
	if !HasBody(resp) || limit <= 0 {
		return nil
	}
	// The announced length is the peer's word, and limit may be large.
	var start bytes.Buffer
	_, err := start.ReadFrom(io.LimitReader(resp.Body, int64(limit)))
	rest := io.Reader(resp.Body)
	if err != nil {
		// It failed once. Not every body does so again.
		rest = failed{err}
	}
	head := start.Bytes()
	resp.Body = &peeked{Reader: io.MultiReader(bytes.NewReader(head), rest), body: resp.Body}
	return head
}

// peeked is a body whose beginning has been read already.
type peeked struct {
	io.Reader
	body   io.Closer
	closed atomic.Bool // may be set while a Read is under way
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.closed.Load() {
		// What was put back is gone as well.
		return 0, http.ErrBodyReadAfterClose
	}
	return p.Reader.Read(b)
}

func (p *peeked) Close() error {
	p.closed.Store(true)
	return p.body.Close()
}

// failed fails every read.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
