package retry

import (
	"context"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type transport struct {
	policy *Policy
	next   http.RoundTripper
}

// RoundTrip sends req, again while the policy says so.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	p := t.policy
	keep := p.maxBuffer
	if req.Body != nil && req.GetBody == nil && !idempotent(req) {
		// It can be repeated only if nothing of it was sent, so keep nothing.
		keep = 0
	}
	replay := httpx.NewReplay(req, keep)
	defer replay.Done()
	resp, err := t.next.RoundTrip(replay.First())
	if err == nil && p.check == nil && p.bufferResponses == 0 && !failedStatus(req, resp) {
		return resp, nil
	}
	c := call{policy: p, next: t.next, req: req, replay: replay, attempts: 1, resp: resp, err: err}
	return c.finish()
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// call is one logical call after its first attempt. It owns what it holds:
// release frees it when a callback panics.
type call struct {
	policy   *Policy
	next     http.RoundTripper
	req      *http.Request // the caller's
	replay   httpx.Replay
	schedule backoff.BackOff // nil until the first failure

	attempts int
	resp     *http.Response // of the last attempt; nil after a transport error
	status   int            // of the last attempt's answer, also after resp is gone
	err      error          // the last attempt's transport error, or what is wrong with resp apart from its status
	cause    error          // why the context ended during a wait
	again    *http.Request  // of the attempt to come
}

// finish repeats the call until it succeeds or must not be repeated.
func (c *call) finish() (*http.Response, error) {
	defer c.release()
	for c.failed() {
		delay, reason := c.plan()
		if reason != 0 {
			return c.giveUp(reason)
		}
		if c.policy.hooks.Retry != nil {
			c.policy.hooks.Retry(c.event(delay, 0))
		}
		if resp := c.resp; resp != nil {
			c.resp = nil
			httpx.Discard(resp)
		}
		if c.cause = sleep(c.req.Context(), delay); c.cause != nil {
			return c.giveUp(Canceled)
		}
		req := c.again
		c.again = nil
		c.attempts++
		c.resp, c.err = c.next.RoundTrip(req)
	}
	return c.result()
}

// failed looks at the outcome of the last attempt and reports whether it is a
// failure, of whatever kind.
func (c *call) failed() bool {
	c.status = 0
	if c.err != nil || c.resp == nil {
		return c.err != nil
	}
	c.status = c.resp.StatusCode
	if failedStatus(c.req, c.resp) {
		return true
	}
	if c.policy.check != nil {
		c.err = c.policy.check(c.resp)
	}
	if c.err == nil && c.policy.bufferResponses > 0 {
		c.err = buffer(c.resp, c.policy.bufferResponses)
	}
	return c.err != nil
}

// plan decides whether the call is repeated, prepares the request if so, and
// returns the delay before it.
func (c *call) plan() (time.Duration, Reason) {
	v := judge(c.req, c.resp, c.err)
	if v.reason != 0 {
		return 0, v.reason
	}
	if c.attempts >= c.policy.maxAttempts {
		return 0, AttemptsExhausted
	}
	if !c.replay.Repeatable() {
		return 0, BodyNotRepeatable
	}
	delay, reason := c.delay(v)
	if reason != 0 {
		return 0, reason
	}
	if deadline, ok := c.req.Context().Deadline(); ok && time.Until(deadline) <= delay {
		return 0, DeadlineTooClose
	}
	// Last, because the body that GetBody opens has to be closed again.
	again, getErr := c.replay.Again()
	if getErr != nil {
		return 0, BodyNotRepeatable
	}
	c.again = again
	return delay, 0
}

// delay combines what the schedule gives with what the server wants.
func (c *call) delay(v verdict) (time.Duration, Reason) {
	limit := c.policy.maxRetryAfter
	if limit < 0 {
		v.asked = 0
	}
	if v.asked > 0 && v.asked > limit {
		return 0, RetryAfterTooLong
	}
	if c.schedule == nil {
		if c.schedule = c.policy.newSchedule(); c.schedule == nil {
			return 0, BackoffStopped
		}
	}
	scheduled := c.schedule.NextBackOff()
	if scheduled == backoff.Stop {
		return 0, BackoffStopped
	}
	scheduled = min(max(scheduled, 0), c.policy.maxDelay)
	if v.asked <= 0 {
		return scheduled, 0
	}
	// Never earlier than asked; a little later, so that the callers who were
	// told the same do not come back together.
	return v.asked + min(scheduled, v.asked), 0
}

// giveUp ends the call with its last answer, or with an error that says why.
func (c *call) giveUp(reason Reason) (*http.Response, error) {
	if c.policy.hooks.GiveUp != nil {
		c.policy.hooks.GiveUp(c.event(0, reason))
	}
	if c.resp != nil {
		return c.result()
	}
	if c.attempts == 1 && (reason == NotRetryable || reason == NotIdempotent || reason == AttemptsExhausted) {
		return nil, c.err
	}
	return nil, &Error{Attempts: c.attempts, Reason: reason, Status: c.status, Err: c.err, Cause: c.cause}
}

// result hands the last attempt's outcome to the caller. What Check or the
// buffer found wrong with an answer is not an error of the RoundTrip.
func (c *call) result() (*http.Response, error) {
	resp := c.resp
	c.resp = nil
	if resp != nil {
		return resp, nil
	}
	return nil, c.err
}

// release closes what the call still holds: after a panic the answer, after
// that or a cancelled wait the body of the attempt that did not come.
func (c *call) release() {
	if c.resp != nil && c.resp.Body != nil {
		_ = c.resp.Body.Close()
	}
	if c.again != nil {
		httpx.Reject(c.again)
	}
}

func (c *call) event(delay time.Duration, reason Reason) Event {
	return Event{Request: c.req, Attempt: c.attempts, Status: c.status, Err: c.err, Delay: delay, Reason: reason}
}

// sleep waits for d or until ctx ends, and returns the cause of its end.
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}
