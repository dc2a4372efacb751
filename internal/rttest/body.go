package rttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrCut is how a body made to break off ends.
var ErrCut = io.ErrUnexpectedEOF

// errTooMuch ends a body without an end that somebody reads without a bound: it
// would hold the test up for ever, since no time passes in a bubble meanwhile.
var errTooMuch = errors.New("rttest: an endless body was read without a bound")

// tooMuch is how many bytes an endless body has.
const tooMuch = 64 << 20

// ErrReadAfterClose is what a closed Body gives its readers.
var ErrReadAfterClose = errors.New("rttest: read after close")

// Body is a request or response body that remembers how it was treated. It is
// safe for concurrent use, and Close ends a Read that waits.
type Body struct {
	ctx   context.Context // its end breaks the body off, as it does in net/http
	end   error           // what Read gives after the last byte
	pause time.Duration   // before each Read

	mu     sync.Mutex
	data   []byte
	loop   bool // data never ends
	read   int
	sawEnd bool
	closes int
	closed chan struct{}

	// Of an upgraded connection.
	written []byte
	half    bool // closed for writing
}

// NewBody returns a body that gives data and then io.EOF.
func NewBody(data string) *Body {
	return &Body{ctx: context.Background(), data: []byte(data), end: io.EOF, closed: make(chan struct{})}
}

// Read gives the next bytes of the body.
func (b *Body) Read(p []byte) (int, error) {
	if b.pause > 0 {
		timer := time.NewTimer(b.pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-b.closed:
		case <-b.ctx.Done():
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closes > 0:
		return 0, ErrReadAfterClose
	case b.ctx.Err() != nil:
		return 0, context.Cause(b.ctx)
	case len(b.data) == 0:
		b.sawEnd = true
		return 0, b.end
	case b.loop && b.read >= tooMuch:
		return 0, errTooMuch
	}
	n := copy(p, b.data)
	if !b.loop {
		b.data = b.data[n:]
	}
	b.read += n
	return n, nil
}

// Close notes that the body was closed.
func (b *Body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closes == 0 {
		close(b.closed)
	}
	b.closes++
	return nil
}

// Closes returns how often the body was closed.
func (b *Body) Closes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closes
}

// BytesRead returns how many bytes were read of the body.
func (b *Body) BytesRead() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// SawEnd reports whether the body was read to its end.
func (b *Body) SawEnd() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sawEnd
}

// conn is the body of an upgraded connection.
type conn struct{ *Body }

// Write notes what was sent to the peer.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = append(c.written, p...)
	return len(p), nil
}

// CloseWrite notes that nothing more will be sent.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.half = true
	return nil
}
