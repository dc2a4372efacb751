package ratelimit

import (
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pace"
)

type transport struct {
	limiter *Limiter
	next    http.RoundTripper
}

// RoundTrip sends req when its turn has come, and learns from the answer.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	turn := turn{limiter: t.limiter, req: req}
	defer turn.leave()
	if err := turn.come(); err != nil {
		return nil, err
	}
	turn.sent = true
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		turn.failed(err)
		return resp, err
	}
	if resp != nil {
		turn.answered(resp)
	}
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// turn is one request's way through the limiter. Whatever happens on it, a
// panic of a callback included, leave finds what is still owed.
type turn struct {
	limiter *Limiter
	req     *http.Request
	entry   *keyed.Entry[httpx.Key, bucket] // nil if the bucket stays without being held
	bucket  *bucket
	need    need
	part    *bucket // where the request queues first; or nil
	inPart  need
	priced  bool           // the cost was given in the measure of the server
	sent    bool           // the request belongs to the transport below
	resp    *http.Response // to be closed if a callback panics
}

// come waits for the turn.
func (t *turn) come() error {
	l := t.limiter
	if l.config.Ready != nil {
		if err := l.config.Ready(t.req); err != nil {
			return err
		}
	}
	wishes := wishesOf(t.req.Context())
	t.need.set(&wishes)
	t.priced = wishes.priced
	if t.bucket = l.hurry(t.req, &t.need); t.bucket != nil {
		return nil
	}
	t.entry = l.acquire(t.req)
	t.bucket = t.entry.Value()
	if err := t.comeInPart(&wishes); err != nil {
		return err
	}
	if t.bucket.slots != nil {
		t.need.permit = &Permit{bucket: t.bucket}
	}
	late, err := false, error(nil)
	if taken, now := t.bucket.take(&t.need); taken {
		l.note(t.entry, now)
	} else if late, err = true, t.queue(t.bucket, &t.need, &wishes); err != nil {
		return err
	}
	if l.config.Ready != nil && (late || t.need.waited > 0) {
		return l.config.Ready(t.req)
	}
	return nil
}

// comeInPart waits for the turn in the part that the request belongs to, if it
// belongs to any.
func (t *turn) comeInPart(w *wishes) error {
	l, parts := t.limiter, t.bucket.parts.Load()
	if parts == nil {
		return nil
	}
	if t.part = parts.of(l.route(t.req)); t.part == nil {
		return nil
	}
	t.inPart.set(w)
	taken, came := t.part.take(&t.inPart)
	if taken {
		return nil
	}
	if err := t.queue(t.part, &t.inPart, w); err != nil {
		return err
	}
	t.need.waited = max(1, l.now()-came)
	return nil
}

// queue waits for the turn in one bucket, where it has not come at once.
func (t *turn) queue(b *bucket, n *need, w *wishes) error {
	l := t.limiter
	l.note(t.entry, l.now())
	if l.config.Flow != nil && !w.named {
		w.flow, w.named = l.config.Flow(t.req), true
	}
	return l.enterLate(t.req.Context(), t.entry, b, n, w.flow)
}

// failed takes notice of an error from below.
func (t *turn) failed(err error) {
	if httpx.SaysNotSent(err) {
		t.cancel()
	}
}

// answered takes notice of an answer. Most have nothing to say.
func (t *turn) answered(resp *http.Response) {
	config := &t.limiter.config
	t.resp = resp
	switch {
	case t.need.flight.listen || t.inPart.flight.listen, resp.StatusCode >= http.StatusBadRequest,
		config.Check != nil, config.adapts():
		t.limiter.learn(t, resp)
	}
	if config.Cost != nil {
		if actual, ok := config.Cost(resp); ok {
			t.bucket.settle(&t.need, actual)
		}
	}
	t.resp = nil
	t.land(pace.Answered)
	if permit := t.need.permit; permit != nil {
		t.need.permit = nil
		httpx.Watch(resp, onEnd{permit})
	}
}

// land says that the answer has come, or that there is none.
func (t *turn) land(outcome pace.Outcome) {
	if t.need.flight.state != landed {
		t.bucket.land(&t.need, outcome)
	}
	if t.inPart.flight.state != landed {
		t.part.land(&t.inPart, outcome)
	}
}

// cancel gives everything back that was taken.
func (t *turn) cancel() {
	if t.need.admitted {
		t.bucket.cancel(&t.need)
		t.need.permit = nil
	}
	if t.inPart.admitted {
		t.part.cancel(&t.inPart)
	}
}

// leave gives back what the request holds, and closes bodies at last: those
// are other people's code.
func (t *turn) leave() {
	if !t.sent {
		t.cancel()
	} else {
		t.land(pace.Lost)
		if t.need.permit != nil {
			t.bucket.release(t.need.permit)
		}
	}
	if t.entry != nil {
		t.limiter.buckets.Release(t.entry)
	}
	if !t.sent {
		httpx.Reject(t.req)
	}
	if t.resp != nil && t.resp.Body != nil {
		_ = t.resp.Body.Close()
	}
}
