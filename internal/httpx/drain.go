package httpx

import (
	"io"
	"net/http"
	"sync"
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
// as those of net/http do.
func Discard(resp *http.Response) {
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
	if p, ok := body.(*peeked); ok && p.stuck() {
		return
	}
	d := drainers.Get().(*drainer)
	d.body = body
	timer := time.AfterFunc(DrainTime, d.closeBody)
	drained := false
	defer func() {
		// Without a panic of the body, and unless the timer's goroutine may
		// still be using it, it is free.
		if timer.Stop() && drained {
			d.body = nil
			drainers.Put(d)
		}
	}()
	d.drain()
	drained = true
}

// drainer is what draining one body takes.
type drainer struct {
	body      io.ReadCloser
	closeBody func() // made once, for the timer
	buf       [4 << 10]byte
}

var drainers = sync.Pool{New: func() any {
	d := &drainer{}
	d.closeBody = func() { _ = d.body.Close() }
	return d
}}

// drain reads up to DrainBytes, and then whether that was all.
func (d *drainer) drain() {
	for left := int64(DrainBytes); left > 0; {
		n, err := d.body.Read(d.buf[:min(int64(len(d.buf)), left)])
		if err != nil {
			return
		}
		left -= int64(max(n, 0))
	}
	// Only EOF frees a connection.
	_, _ = io.ReadFull(d.body, d.buf[:1])
}
