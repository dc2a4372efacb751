package redislimit

import (
	"context"
	"errors"
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
	l := t.limiter
	turn := turn{limiter: l, req: req, ready: l.config.Ready}
	defer turn.leave()
	if err := turn.ask(); err != nil {
		return nil, err
	}
	if err := turn.come(req.Context(), l.keyOf(req)); err != nil {
		return nil, err
	}
	turn.sent = true
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp == nil {
		turn.unsent = httpx.SaysNotSent(err)
		return resp, err
	}
	if l.config.Check != nil || throttling(resp) {
		turn.resp = resp
		turn.learn(resp)
		turn.resp = nil
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
	req     *http.Request // nil for work that is none
	ready   func(*http.Request) error
	entry   *keyed.Entry[httpx.Key, bucket]
	from    source         // of the slot that was spent
	came    bool           // nothing stands between the slot and its use any more
	unsent  bool           // the slot was not needed
	sent    bool           // the request belongs to the transport below
	resp    *http.Response // to be closed if a callback panics
}

// ask asks Config.Ready.
func (t *turn) ask() error {
	if t.ready == nil {
		return nil
	}
	return t.ready(t.req)
}

// come waits for the turn.
func (t *turn) come(ctx context.Context, key httpx.Key) error {
	l := t.limiter
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.tell()
	t.entry = l.buckets.Acquire(key, l.now())
	b := t.entry.Value()
	if t.from = b.take(); t.from != nowhere {
		t.came = true
		return nil
	}
	from, err := b.wait(ctx)
	t.from = from
	if err != nil {
		if refused, ok := errors.AsType[*Error](err); ok && l.config.Hooks.Refused != nil {
			l.config.Hooks.Refused(refused)
		}
		return err
	}
	if err := t.ask(); err != nil {
		return err
	}
	t.came = true
	return nil
}

// leave gives back what the request holds, and closes bodies at last: those are
// other people's code.
func (t *turn) leave() {
	if t.from != nowhere && (t.unsent || !t.came) {
		t.entry.Value().giveBack(t.from)
	}
	if t.entry != nil {
		t.limiter.buckets.Release(t.entry)
	}
	if t.req != nil && !t.sent {
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

// learn holds the key if resp asks for it.
func (t *turn) learn(resp *http.Response) {
	l := t.limiter
	asked := time.Duration(0)
	throttled := throttling(resp)
	if l.config.Check != nil {
		if err := l.config.Check(resp); err != nil {
			throttled, asked = true, httpx.RetryAfter(err)
		}
	}
	if !throttled {
		return
	}
	if asked == 0 {
		asked, _ = header.RetryAfter(resp.Header, time.Now)
	}
	if asked = min(asked, l.config.MaxRetryAfter); asked <= 0 {
		return
	}
	l.withBucket(t.entry.Key(), func(b *bucket, now time.Duration) { b.hold(now, asked) })
}
