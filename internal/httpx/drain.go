package httpx

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a drain. What is left of an error page fits well inside them;
// beyond them a new connection is cheaper than reading on.
const (
	DrainBytes = 64 << 10
	DrainTime  = 100 * time.Millisecond
)

// Discard throws resp away: it reads what is left of the body, at most
// [DrainBytes] and for at most [DrainTime], so that the connection can be used
// again, and closes it. A body that is known to be longer is closed at once, and
// so is one that [Peek] has waited for as long and that has not moved since.
// It returns after DrainTime at the latest if the body's Close ends its Read,
// as those of net/http do. A panic of the body is passed on.
func Discard(resp *http.Response) {
	var d Drainer
	defer d.Release()
	d.Discard(resp)
}

// Drainer discards answers one after the other with one timer, which is most of
// what it costs. The zero value is ready for use; it is not safe for concurrent
// use.
type Drainer struct {
	state *drainState // nil when there is nothing that can be used again
	timer *time.Timer // calls state.closeBody; stopped
}

// Discard is the func [Discard].
func (d *Drainer) Discard(resp *http.Response) {
	body := resp.Body
	if body == nil {
		return
	}
	// Nothing to report to: the answer is unwanted, whatever closing it says.
	defer func() { _ = body.Close() }()
	if body == http.NoBody || resp.ContentLength == 0 || resp.ContentLength > DrainBytes ||
		resp.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	if stuck(body) {
		return
	}
	if d.state == nil {
		d.state = drainStates.Get().(*drainState)
		d.state.body = body
		d.timer = time.AfterFunc(DrainTime, d.state.closeBody)
	} else {
		d.state.body = body
		d.timer.Reset(DrainTime)
	}
	defer func() {
		if !d.timer.Stop() {
			d.state.awaitClose()
		}
	}()
	d.state.drain()
}

// Release gives back what d has kept. d can be used again afterwards.
func (d *Drainer) Release() {
	if d.state != nil {
		d.state.body = nil
		drainStates.Put(d.state)
		d.state, d.timer = nil, nil
	}
}

// drainState is what draining a body takes.
type drainState struct {
	body      io.ReadCloser
	closeBody func() // closeAside, made a func once, for timers
	closed    atomic.Pointer[chan struct{}]
	panicked  any // what Close has panicked with in closeAside
	buf       [4 << 10]byte
}

// drainStates keeps no timers and no channels: one must not get from a bubble
// of testing/synctest into another.
var drainStates = sync.Pool{New: func() any {
	d := &drainState{}
	d.closeBody = d.closeAside
	return d
}}

// nobodyWaits says that closeAside was over before awaitClose began.
var nobodyWaits chan struct{}

// closeAside closes the body on the goroutine of a timer, where nobody else
// could recover.
func (d *drainState) closeAside() {
	defer func() {
		d.panicked = recover()
		if waiting := d.closed.Swap(&nobodyWaits); waiting != nil {
			close(*waiting)
		}
	}()
	_ = d.body.Close()
}

// awaitClose waits for the closeAside that the timer has begun, or is about to,
// and passes its panic on. Most timers are stopped in time, so the channel is
// made no sooner than here.
func (d *drainState) awaitClose() {
	done := make(chan struct{})
	if d.closed.CompareAndSwap(nil, &done) {
		<-done
	}
	d.closed.Store(nil)
	v := d.panicked
	d.panicked = nil
	if v != nil {
		panic(v)
	}
}

// drain reads up to DrainBytes, and then whether that was all.
func (d *drainState) drain() {
	for left := int64(DrainBytes); left > 0; {
		n, err := d.body.Read(d.buf[:min(int64(len(d.buf)), left)])
		if n <= 0 || err != nil {
			return // nothing can mean anything; it is no reason to spin
		}
		left -= int64(n)
	}
	// Only EOF frees a connection.
	_, _ = d.body.Read(d.buf[:1])
}
