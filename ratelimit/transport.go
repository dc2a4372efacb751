package ratelimit

import (
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
	turn := turn{limiter: t.limiter, req: req}
	defer turn.leave()
	if err := turn.come(); err != nil {
		return nil, err
	}
	turn.sent = true
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		if e, ok := errors.AsType[interface {
			error
			NotSent() bool
		}](err); ok && e.NotSent() {
			turn.bucket.giveBack()
		}
		return resp, err
	}
	if resp != nil && t.limiter.looksAt(resp) {
		turn.resp = resp
		t.limiter.learn(turn.bucket, resp)
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
	req     *http.Request
	entry   *keyed.Entry[httpx.Key, bucket]
	bucket  *bucket
	token   bool           // a token was taken
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
	taken, now := t.bucket.take()
	l.note(t.entry, now)
	if taken {
		t.token = true
		return nil
	}
	if err := t.bucket.wait(t.req.Context()); err != nil {
		if refused, ok := errors.AsType[*Error](err); ok && l.config.Hooks.Refused != nil {
			l.config.Hooks.Refused(refused)
		}
		return err
	}
	t.token = true
	l.note(t.entry, l.now())
	if l.config.Ready != nil {
		return l.config.Ready(t.req)
	}
	return nil
}

// leave gives back what the request holds.
func (t *turn) leave() {
	if !t.sent {
		httpx.Reject(t.req)
		if t.token {
			t.bucket.giveBack()
		}
	}
	if t.resp != nil && t.resp.Body != nil {
		_ = t.resp.Body.Close()
	}
	if t.entry != nil {
		t.entry.Release()
	}
}

// looksAt reports whether resp may have something to say. Most have not.
func (l *Limiter) looksAt(resp *http.Response) bool {
	return l.config.Check != nil || throttling(resp)
}

// throttling reports whether the status of resp may ask for a pause.
func throttling(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
}

// learn holds the key of b if resp asks for it.
func (l *Limiter) learn(b *bucket, resp *http.Response) {
	asked := time.Duration(0)
	throttled := throttling(resp)
	if l.config.Check != nil {
		if err := l.config.Check(resp); err != nil {
			throttled = true
			if e, ok := errors.AsType[interface {
				error
				RetryAfter() time.Duration
			}](err); ok {
				asked = e.RetryAfter()
			}
		}
	}
	if !throttled {
		return
	}
	if asked <= 0 {
		asked, _ = header.RetryAfter(resp.Header, time.Now)
	}
	asked = min(asked, l.config.MaxRetryAfter)
	if asked <= 0 {
		return
	}
	b.hold(asked)
	if l.config.Hooks.Hold != nil {
		l.config.Hooks.Hold(Hold{Key: b.key.String(), Status: resp.StatusCode, For: asked})
	}
}
