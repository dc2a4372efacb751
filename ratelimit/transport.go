package ratelimit

import (
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
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
	entry   *keyed.Entry[httpx.Key, bucket]
	bucket  *bucket
	cost    int            // of tokens that were taken
	permit  *Permit        // what is remembered of the call, which may hold a slot; or nil
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
	t.entry = l.acquire(t.req)
	t.bucket = t.entry.Value()
	ctx := t.req.Context()
	need := ticket{wishes: wishesOf(ctx)}
	if t.bucket.slots != nil || t.bucket.cubic != nil {
		t.permit = &Permit{bucket: t.bucket}
		need.permit = t.permit
	}
	taken, now := t.bucket.take(need.wishes.cost, need.permit)
	l.note(t.entry, now)
	if taken {
		t.cost = need.wishes.cost
		return nil
	}
	if l.config.Flow != nil && !need.wishes.named {
		need.wishes.flow = l.config.Flow(t.req)
	}
	var err error
	if t.cost, err = l.enterLate(ctx, t.entry, need); err != nil {
		return err
	}
	if l.config.Ready != nil {
		return l.config.Ready(t.req)
	}
	return nil
}

// failed takes notice of an error from below.
func (t *turn) failed(err error) {
	if notSent(err) {
		t.bucket.end(t.permit, t.cost, false)
		t.permit = nil
	}
}

// answered takes notice of an answer. Most have nothing to say.
func (t *turn) answered(resp *http.Response) {
	config := &t.limiter.config
	t.resp = resp
	if config.Check != nil || config.adapts() || throttling(resp) {
		t.limiter.learn(t.bucket, t.permit, resp)
	}
	if config.Cost != nil {
		if actual, ok := config.Cost(resp); ok {
			t.bucket.settle(float64(t.cost), actual)
		}
	}
	t.resp = nil
	if permit := t.permit; permit != nil {
		t.permit = nil
		if t.bucket.slots != nil {
			httpx.Watch(resp, onEnd{permit})
		}
	}
}

// leave gives back what the request holds, and closes bodies at last: those
// are other people's code.
func (t *turn) leave() {
	switch {
	case !t.sent && t.cost > 0:
		t.bucket.end(t.permit, t.cost, false)
	case t.permit != nil:
		t.bucket.end(t.permit, 0, true)
	}
	if t.entry != nil {
		t.entry.Release()
	}
	if !t.sent {
		httpx.Reject(t.req)
	}
	if t.resp != nil && t.resp.Body != nil {
		_ = t.resp.Body.Close()
	}
}

// throttling reports whether the status of resp may ask for a pause.
func throttling(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
}

// learn holds the key of b if resp asks for it, and tells what adapts.
func (l *Limiter) learn(b *bucket, p *Permit, resp *http.Response) {
	asked := time.Duration(0)
	throttled := false
	if l.config.Check != nil {
		if err := l.config.Check(resp); err != nil {
			throttled = true
			asked = retryAfter(err)
		}
	}
	if asked == 0 && (throttled || throttling(resp)) {
		asked, _ = header.RetryAfter(resp.Header, time.Now)
	}
	if l.config.adapts() {
		// A 503 that asks for nothing is trouble, not a limit.
		throttled = throttled || asked > 0 || resp.StatusCode == http.StatusTooManyRequests
		l.tell(b, b.adapt(p.since, throttled))
	}
	l.hold(b, resp.StatusCode, asked)
}

// hold holds the key of b if an answer asks for it.
func (l *Limiter) hold(b *bucket, status int, asked time.Duration) {
	asked = min(asked, l.config.MaxRetryAfter)
	if asked <= 0 {
		return
	}
	told := b.hold(asked)
	if l.config.Hooks.Hold != nil {
		l.config.Hooks.Hold(Hold{Key: b.key.String(), Status: status, For: asked})
	}
	l.tell(b, told)
}

// tell tells the hook of a new plan, if anybody waits whom it concerns.
func (l *Limiter) tell(b *bucket, told Replan) {
	if hook := l.config.Hooks.Replan; hook != nil && told.Waiting > 0 {
		told.Key = b.key.String()
		hook(told)
	}
}
