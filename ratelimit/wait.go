package ratelimit

import (
	"context"
	"math"
	"time"
)

// forever stands for a wait without a limit.
const forever = time.Duration(math.MaxInt64)

// wait waits for a token and takes it, or refuses as soon as it can be known
// that the wait would be too long: on arrival, at the head of the queue, or when
// the time is up.
func (b *bucket) wait(ctx context.Context) error {
	begin := b.limiter.now()
	limit, reason := b.limiter.patience(ctx)
	w, foreseen := b.join(limit)
	if w == nil {
		if foreseen == 0 {
			return nil
		}
		return &Error{Key: b.key.String(), Reason: reason, Wait: foreseen}
	}
	defer b.leave(w)
	if hook := b.limiter.config.Hooks.Wait; hook != nil {
		hook(Wait{Key: b.key.String(), For: foreseen})
	}
	timer := time.NewTimer(foreseen)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		taken, atHead, pause := b.advance(w)
		if taken {
			return nil
		}
		left := forever
		if limit < forever {
			left = limit - (b.limiter.now() - begin)
		}
		if atHead && pause > left || left < 0 {
			return &Error{Key: b.key.String(), Reason: reason, Wait: pause}
		}
		if !atHead {
			pause = left // somebody will wake it
			if left < forever {
				pause++ // and if nobody does, the time is up
			}
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// patience is how long a request may wait, and what to call it when that is not
// enough.
func (l *Limiter) patience(ctx context.Context) (time.Duration, Reason) {
	limit, reason := forever, WaitTooLong
	switch {
	case l.config.MaxWait < 0:
		limit = 0
	case l.config.MaxWait > 0:
		limit = l.config.MaxWait
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Whoever waits until the deadline itself has nothing of it.
		if left := max(0, time.Until(deadline)-1); left < limit {
			limit, reason = left, DeadlineTooClose
		}
	}
	return limit, reason
}

// ceil converts nanoseconds to a duration, rounding up so that a wait does not
// become none.
func ceil(ns float64) time.Duration {
	if ns >= float64(forever) {
		return forever
	}
	return time.Duration(math.Ceil(ns))
}
