package ratelimit

import (
	"context"
	"math"
	"time"
)

// forever stands for a wait without a limit.
const forever = time.Duration(math.MaxInt64)

// patience is how long a request may still wait that has waited already, and
// what to call it when that is not enough.
func (l *Limiter) patience(ctx context.Context, waited time.Duration) (time.Duration, Reason) {
	limit, reason := forever, WaitTooLong
	switch {
	case l.config.MaxWait < 0:
		limit = 0
	case l.config.MaxWait > 0:
		limit = max(0, l.config.MaxWait-waited)
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
