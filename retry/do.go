package retry

import (
	"context"
	"time"
)

// Do calls fn, again while it fails and p says so, and returns what its last
// call returned. It is for work that is not an HTTP request: what fn does must
// be fit to be done more than once.
//
// Every error is repeated but for one that says by its Retryable method that it
// should not be, a backoff.PermanentError, and those that package retry knows
// to be permanent. An error's RetryAfter method is obeyed as a Retry-After is.
// The error of a call that was, or could have been, repeated is an [*Error]. If
// ctx has ended before, fn is not called and the error is the cause of that end.
//
// The context that fn is given carries the number of the attempt, so that a
// retry layer inside of fn does not multiply. Config.Classify, Config.Check and
// the settings of bodies have no meaning here; a budget keeps one account for
// all calls of Do. Hooks see events without a Request.
func Do[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (T, error) {
	if ctx.Err() != nil {
		var none T
		return none, context.Cause(ctx)
	}
	c := pace{policy: p, ctx: ctx}
	c.start()
	defer c.drop() // if a hook panics
	attempt := ctx
	for {
		value, err := fn(attempt)
		if err == nil {
			c.succeed()
			return value, nil
		}
		delay, reason, verdict := time.Duration(0), NotRetryable, Stop
		if !permanent(ctx, err) {
			c.count(err)
			verdict = RetryAnyway
			delay, reason = c.plan(askedBy(nil, err))
		}
		c.note(Try{Err: err, Verdict: verdict, Delay: delay}, !neverSent(nil, err, nil))
		event := Event{Attempt: c.attempts, Err: err, Delay: delay, Reason: reason}
		var cause error
		if reason == 0 {
			if p.hooks.Retry != nil {
				p.hooks.Retry(event)
			}
			if cause = c.wait(delay); cause == nil {
				attempt = c.mark()
				c.next()
				continue
			}
			c.drop()
			event.Delay, event.Reason = 0, Canceled
		}
		if p.hooks.GiveUp != nil {
			p.hooks.GiveUp(event)
		}
		if c.bare(event.Reason) {
			return value, err
		}
		return value, c.fail(event.Reason, cause)
	}
}
