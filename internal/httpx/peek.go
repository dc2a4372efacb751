package httpx

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Peek reads up to limit bytes of resp's body, for at most [DrainTime], and puts
// them back in front of the rest: who reads the body afterwards gets the same
// bytes and the same error. The bytes that it returns must not be changed. A
// body that is also an io.Writer (101 Switching Protocols) is left alone.
//
// A Read can't be abandoned, and nobody can tell beforehand whether it will
// wait. So a goroutine reads. Where the time was not enough, it ends with the
// Read that it is in, which the new body waits for, and which the Close of a
// body ends, as those of net/http do. A panic of the body is passed on, here or
// where the body is read.
func Peek(resp *http.Response, limit int) []byte {
	if _, ok := resp.Body.(io.Writer); ok || !HasBody(resp) || limit <= 0 {
		return nil
	}
	p := &pump{body: resp.Body, limit: limit, done: make(chan struct{})}
	if n := resp.ContentLength; n > 0 && n <= int64(limit) {
		p.limit = int(n) // to look for the end might take longer
	}
	go p.run()
	timer := time.NewTimer(DrainTime)
	defer timer.Stop()
	body := &peeked{body: resp.Body}
	resp.Body = body
	select {
	case <-p.done:
		body.take(p)
	case <-timer.C:
		body.late, body.closing = p, make(chan struct{})
		body.head = p.abandon()
		body.given = len(body.head)
	}
	return body.head
}

// pump reads the beginning of a body.
type pump struct {
	body  io.Reader
	limit int
	done  chan struct{} // closed when the rest is for others to read

	mu        sync.Mutex
	buf       []byte // up to its length it does not change any more
	abandoned bool   // one Read is enough

	// These are for others when done is closed.
	err      error // the end of the body
	panicked any   // what the body has panicked with
}

// pumpSize is how much memory a body gets at first whose length is not known.
const pumpSize = 512

// run reads until there is enough.
func (p *pump) run() {
	returned := false
	defer func() {
		if !returned {
			p.err = errNoReturn
			p.panicked = recover() // nil after runtime.Goexit
		}
		close(p.done)
	}()
	for free := p.room(0); len(free) > 0; {
		n, err := p.body.Read(free)
		if err != nil {
			// It failed once. Not every body does so again.
			p.err = err
		}
		free = p.room(max(n, 0))
		if n <= 0 || err != nil {
			break // nothing can mean anything; it is no reason to spin
		}
	}
	returned = true
}

// errNoReturn is how a body ends whose Read has panicked or called
// runtime.Goexit.
var errNoReturn = errors.New("httpx: a read of the body did not return")

// room takes notice of n more bytes and returns room for others, if they are
// wanted.
func (p *pump) room(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = p.buf[:len(p.buf)+n]
	if p.abandoned || len(p.buf) >= p.limit {
		return nil
	}
	if len(p.buf) == cap(p.buf) {
		// What was announced is the peer's word.
		more := make([]byte, len(p.buf), min(p.limit, max(pumpSize, 2*len(p.buf))))
		copy(more, p.buf)
		p.buf = more
	}
	return p.buf[len(p.buf):cap(p.buf)]
}

// abandon returns what was read so far and wants no more.
func (p *pump) abandon() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = true
	return p.buf
}

// peeked is a body whose beginning has been read already.
type peeked struct {
	body   io.ReadCloser
	head   []byte      // to be read again
	err    error       // behind head; nil if there is more in body
	closed atomic.Bool // may be set while a Read is under way

	late    *pump         // still reading; nil if none is
	given   int           // bytes of late that head has had
	closing chan struct{} // closed with the body while late is, or was, there
}

// take takes over all that p has read. p is done.
func (b *peeked) take(p *pump) {
	b.late = nil
	b.head, b.err = p.buf[b.given:], p.err
	if p.panicked != nil {
		panic(p.panicked)
	}
}

// stuck reports whether body has not moved since Peek has waited for it.
func stuck(body io.ReadCloser) bool {
	b, ok := body.(interface{ stuck() bool })
	return ok && b.stuck()
}

func (b *peeked) stuck() bool {
	if b.late == nil {
		return false
	}
	select {
	case <-b.late.done:
		return false
	default:
		return true
	}
}

// Read gives what was read before, then the rest.
func (b *peeked) Read(to []byte) (int, error) {
	if b.closed.Load() {
		// What was put back is gone as well.
		return 0, http.ErrBodyReadAfterClose
	}
	if len(b.head) == 0 && b.late != nil {
		select {
		case <-b.late.done:
			b.take(b.late)
		case <-b.closing:
			return 0, http.ErrBodyReadAfterClose
		}
	}
	switch {
	case len(b.head) > 0:
		n := copy(to, b.head)
		b.head = b.head[n:]
		return n, nil
	case b.err != nil:
		return 0, b.err
	}
	return b.body.Read(to)
}

// Close closes the body, which ends whatever reads it.
func (b *peeked) Close() error {
	if !b.closed.Swap(true) && b.closing != nil {
		close(b.closing)
	}
	return b.body.Close()
}
