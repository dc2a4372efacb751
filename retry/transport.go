package retry

import (
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type transport struct {
	policy *Policy
	next   http.RoundTripper
}

// RoundTrip sends req, again while the policy says so.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	p := t.policy
	if p.watchful || (p.maxAttempts > 1 && !idempotent(req)) || !httpx.Rewindable(req) {
		return t.carefully(req)
	}
	// Nothing is owed if next panics, so the usual call needs no defer.
	resp, err := t.next.RoundTrip(req)
	if err == nil && p.simple && !failedStatus(req, resp) {
		return resp, nil
	}
	c := call{
		pace: pace{policy: p, ctx: req.Context()}, below: t.next,
		req: req, replay: httpx.NewReplay(req, p.maxBuffer),
	}
	defer c.replay.Done()
	c.start()
	c.take(resp, err)
	return c.finish()
}

// carefully is RoundTrip for a call that has to be watched from its beginning.
func (t *transport) carefully(req *http.Request) (*http.Response, error) {
	p := t.policy
	c := call{pace: pace{policy: p, ctx: req.Context()}, below: t.next, req: req, once: !idempotent(req)}
	if p.budget != nil {
		c.key = accountOf(p.budget, req)
	}
	c.replay = httpx.NewReplay(req, p.maxBuffer)
	defer c.replay.Done()
	c.start()
	c.send(c.replay.First())
	return c.finish()
}

// accountOf asks the budget, whose Key func may panic, for the account of req.
func accountOf(b *Budget, req *http.Request) httpx.Key {
	known := false
	defer func() {
		if !known {
			httpx.Reject(req)
		}
	}()
	key := b.key(req)
	known = true
	return key
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// call is one logical call after its first attempt. It owns what it holds:
// release frees it when a callback panics.
type call struct {
	pace
	below  http.RoundTripper
	req    *http.Request // the caller's
	replay httpx.Replay
	once   bool       // the server must not see the request twice
	trace  *sendTrace // of the last attempt, if once

	resp    *http.Response // of the last attempt; nil after a transport error
	status  int            // of the last attempt's answer, also after resp is gone
	err     error          // the last attempt's transport error, or what is wrong with resp apart from its status
	verdict Verdict        // of Classify
	lost    error          // why the body could not be had again
	again   *http.Request  // of the attempt to come
	spare   *http.Request  // for all further attempts, when there is no body
	drainer httpx.Drainer  // of the answers that are not the last
}

// spare is what the further attempts of a call without a body are sent with.
type spare struct {
	marked  marked // the context of request
	request http.Request
}

// send makes an attempt.
func (c *call) send(req *http.Request) {
	if c.once && c.policy.maxAttempts > 1 {
		req, c.trace = traced(req)
	}
	c.take(c.below.RoundTrip(req)) //nolint:bodyclose // the call owns it until result or release
}

// take takes over the outcome of an attempt.
func (c *call) take(resp *http.Response, err error) {
	c.resp, c.err = resp, err
	if resp != nil && err != nil {
		// That is against the contract. The error is the worse news.
		c.resp = nil
		httpx.Discard(resp)
	}
}

// finish repeats the call until it succeeds or must not be repeated.
func (c *call) finish() (*http.Response, error) {
	defer c.release()
	for c.failed() {
		delay, reason := c.prepare()
		c.note(Try{Status: c.status, Err: c.err, Verdict: c.settled(reason), Delay: delay}, !c.neverSent())
		if reason != 0 {
			return c.giveUp(reason, c.lost)
		}
		if c.policy.hooks.Retry != nil {
			c.policy.hooks.Retry(c.event(delay, 0))
		}
		if resp := c.resp; resp != nil {
			c.resp = nil
			c.drainer.Discard(resp)
		}
		if cause := c.wait(delay); cause != nil {
			c.drop()
			return c.giveUp(Canceled, cause)
		}
		req := c.again
		c.again = nil
		c.next()
		c.send(req)
	}
	c.succeed()
	return c.result()
}

// failed looks at the outcome of the last attempt and reports whether it is a
// failure, of whatever kind.
func (c *call) failed() bool {
	c.status, c.verdict = 0, ByDefault
	if c.err == nil && c.resp == nil {
		return false // http.Client has a word for such a transport
	}
	if c.resp != nil {
		c.status = c.resp.StatusCode
	}
	if c.policy.classify != nil {
		c.verdict = c.policy.classify(Attempt{
			Request: c.req, Number: c.attempts, Response: c.resp, Err: c.err, NeverSent: c.neverSent(),
		})
		if c.verdict != ByDefault {
			return c.verdict != Accept
		}
	}
	if c.err != nil || failedStatus(c.req, c.resp) {
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

// prepare decides whether the call is repeated and makes the request if so.
func (c *call) prepare() (time.Duration, Reason) {
	if reason := c.objection(); reason != 0 {
		return 0, reason
	}
	if !c.replay.Repeatable() {
		return 0, BodyNotRepeatable
	}
	c.count(c.err)
	delay, reason := c.plan(askedBy(c.resp, c.err))
	if reason != 0 {
		return 0, reason
	}
	if !c.replay.HasBody() {
		c.again = c.spareRequest()
		return delay, 0
	}
	// Last, because the body that GetBody opens has to be closed again.
	again, err := c.replay.Again(c.mark())
	if err != nil {
		c.drop()
		c.lost = err
		return 0, BodyNotRepeatable
	}
	c.again = again
	return delay, 0
}

// spareRequest returns the request of all further attempts, which has no body.
func (c *call) spareRequest() *http.Request {
	if c.spare == nil {
		s := &spare{marked: marked{Context: c.ctx}}
		s.marked.attempt.Store(1)
		s.request = *c.req.WithContext(&s.marked)
		c.marked, c.spare = &s.marked, &s.request
	}
	return c.spare
}

// settled is the verdict that the last attempt came to: Classify's, or the one
// that stands behind the reason for not repeating it.
func (c *call) settled(reason Reason) Verdict {
	switch {
	case c.verdict != ByDefault:
		return c.verdict
	case reason == NotRetryable:
		return Stop
	}
	return RetryIfSafe
}

// objection is why an attempt that failed like the last one is not repeated at
// all; 0 if it may be.
func (c *call) objection() Reason {
	switch {
	case c.ctx.Err() != nil, c.verdict == Stop:
		return NotRetryable
	case c.verdict == RetryAnyway:
		return 0
	case c.verdict == ByDefault && c.hopeless():
		return NotRetryable
	case !idempotent(c.req) && !c.neverSent():
		return NotIdempotent
	}
	return 0
}

// hopeless reports whether the failure would only happen again.
func (c *call) hopeless() bool {
	if c.resp != nil && shouldRetry(c.resp.Header) == "false" {
		return true
	}
	return c.err != nil && (permanent(c.ctx, c.err) || !transportable(c.req))
}

// neverSent reports whether the server has seen nothing of the last attempt.
func (c *call) neverSent() bool {
	return c.resp == nil && neverSent(c.req, c.err, c.trace)
}

// giveUp ends the call with its last answer, or with an error that says why.
func (c *call) giveUp(reason Reason, cause error) (*http.Response, error) {
	if c.policy.hooks.GiveUp != nil {
		c.policy.hooks.GiveUp(c.event(0, reason))
	}
	switch {
	case c.resp != nil:
		return c.result()
	case c.bare(reason) && !c.deceives():
		return nil, c.err
	}
	return nil, c.fail(reason, cause)
}

// deceives reports whether the error, to a layer above that knows no more than
// it, proves that nothing was sent, which may not be so.
func (c *call) deceives() bool { return httpx.NotSent(nil, c.err) && !c.neverSent() }

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

// release frees what the call still holds: after a panic the answer and what
// the budget has paid, after that or a cancelled wait the body of the attempt
// that did not come.
func (c *call) release() {
	c.drainer.Release()
	c.drop()
	if c.again != nil {
		defer httpx.Reject(c.again)
	}
	if c.resp != nil && c.resp.Body != nil {
		_ = c.resp.Body.Close()
	}
}

func (c *call) event(delay time.Duration, reason Reason) Event {
	return Event{Request: c.req, Attempt: c.attempts, Status: c.status, Err: c.err, Delay: delay, Reason: reason}
}
