package retry

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// pace is the course of one call, of whatever kind: how often it was tried, and
// when the next try may be.
type pace struct {
	policy *Policy
	ctx    context.Context // the caller's
	key    httpx.Key       // of the budget's account
	begin  time.Time       // zero unless Config.MaxElapsed is set

	attempts int
	refused  int             // how many of the attempts something below has refused
	schedule backoff.BackOff // nil until the first failure
	paid     bool            // the budget has paid for the last attempt
	planned  bool            // that attempt is not made yet
	marked   *marked         // the context of the attempts after the first

	sent  bool      // some attempt may have come to the server
	tried bool      // some attempt was not refused by something below
	ended time.Time // when the last attempt was noted

	// The history. Most calls that fail at first succeed in the end, and then
	// nobody wants it: so it stays here as long as it can.
	noted int
	few   [DefaultMaxAttempts]Try
	more  []Try
}

// maxHistory bounds the history beyond its first few attempts, for those who try
// for days.
const maxHistory = 1000

// start begins a call: its first attempt is about to be made.
func (p *pace) start() {
	p.attempts = 1
	if p.policy.maxElapsed > 0 {
		p.begin = time.Now()
	}
	if p.policy.budget != nil {
		p.policy.budget.deposit(p.key)
	}
}

// count counts the last attempt, which ended with err, as refused if it was.
func (p *pace) count(err error) {
	if refused(err) {
		p.refused++
		p.unplan()
	}
}

// plan decides about the next attempt after one whose server, or error, wants a
// wait of asked. It returns the delay, or the reason why there is none.
func (p *pace) plan(asked time.Duration) (time.Duration, Reason) {
	if p.refused >= p.policy.maxAttempts || p.attempts-p.refused >= p.policy.maxAttempts {
		return 0, AttemptsExhausted
	}
	if attemptOf(p.ctx) > 1 {
		return 0, NestedRetry
	}
	delay, reason := p.delay(asked)
	if reason != 0 {
		return 0, reason
	}
	if deadline, ok := p.ctx.Deadline(); ok && time.Until(deadline)-p.policy.minAttempt <= delay {
		return 0, DeadlineTooClose
	}
	if limit := p.policy.maxElapsed; limit > 0 && limit-time.Since(p.begin)-p.policy.minAttempt <= delay {
		return 0, ElapsedTimeTooLong
	}
	p.paid = p.policy.budget != nil
	if p.paid && !p.policy.budget.withdraw(p.key) {
		p.paid = false
		return 0, BudgetExhausted
	}
	p.planned = true
	return delay, 0
}

// delay combines what the schedule gives with what was asked for.
func (p *pace) delay(asked time.Duration) (time.Duration, Reason) {
	limit := p.policy.maxRetryAfter
	if limit < 0 {
		asked = 0
	}
	if asked > 0 && asked > limit {
		if !p.policy.clampRetryAfter {
			return 0, RetryAfterTooLong
		}
		asked = limit
	}
	if p.schedule == nil {
		if p.schedule = p.policy.newSchedule(); p.schedule == nil {
			return 0, BackoffStopped
		}
	}
	scheduled := p.schedule.NextBackOff()
	if scheduled == backoff.Stop {
		return 0, BackoffStopped
	}
	scheduled = min(max(scheduled, 0), p.policy.maxDelay)
	if asked <= 0 {
		return scheduled, 0
	}
	// Never earlier than asked; a little later, within the limit, so that the
	// callers who were told the same do not come back together.
	return asked + min(scheduled, asked, limit-asked), 0
}

// unplan takes back what plan has paid, for an attempt that was no burden.
func (p *pace) unplan() {
	if p.paid {
		p.paid = false
		p.policy.budget.refund(p.key)
	}
}

// drop takes back what plan has paid for an attempt that is not made after all.
func (p *pace) drop() {
	if p.planned {
		p.planned = false
		p.unplan()
	}
}

// succeed ends the call.
func (p *pace) succeed() { p.unplan() }

// note adds the last attempt, which may have come to the server or not, to the
// history.
func (p *pace) note(try Try, sent bool) {
	p.sent = p.sent || sent
	p.tried = p.tried || !refused(try.Err)
	p.ended = time.Now()
	try.At = p.ended
	if p.noted < len(p.few) {
		p.few[p.noted] = try
	} else {
		if len(p.more) == maxHistory {
			p.more = slices.Delete(p.more, 0, maxHistory/2)
		}
		p.more = append(p.more, try)
	}
	p.noted++
}

// fail makes the error of a call that is not repeated any more.
func (p *pace) fail(reason Reason, cause error) *Error {
	history := slices.Concat(p.few[:min(p.noted, len(p.few))], p.more)
	last := history[len(history)-1]
	return &Error{
		Attempts: p.attempts, Reason: reason,
		Status: last.Status, Err: last.Err, Cause: cause,
		History: history, notSent: !p.sent, refused: !p.tried, ended: p.ctx.Err(),
	}
}

// bare reports whether the error of a call is returned as it is, because the
// policy has nothing to add to it.
func (p *pace) bare(reason Reason) bool {
	return p.attempts == 1 && (reason == NotRetryable || reason == NotIdempotent || reason == AttemptsExhausted || reason == NestedRetry)
}

// mark returns the context of the attempts after the first.
func (p *pace) mark() context.Context {
	if p.marked == nil {
		p.marked = &marked{Context: p.ctx}
		p.marked.attempt.Store(1)
	}
	return p.marked
}

// next begins the next attempt.
func (p *pace) next() {
	p.attempts++
	p.planned = false
	p.marked.attempt.Store(int64(p.attempts))
}

// wait waits until delay has passed since the last attempt was noted, what was
// done meanwhile included, or until the context ends.
func (p *pace) wait(delay time.Duration) error {
	if delay > 0 {
		delay = time.Until(p.ended.Add(delay))
	}
	return sleep(p.ctx, delay)
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
