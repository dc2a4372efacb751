package retry

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

const defaultInitial = 100 * time.Millisecond

// FullJitter returns a factory of exponential schedules with full jitter: the
// first delay is anywhere between 0 and initial, and the upper end doubles
// until it reaches longest. Full jitter spreads the load of many clients that
// failed together better than jitter around a fixed delay.
//
// An initial that is not positive means 100 ms; a longest below initial means
// initial.
func FullJitter(initial, longest time.Duration) func() backoff.BackOff {
	if initial <= 0 {
		initial = defaultInitial
	}
	longest = max(initial, longest)
	return func() backoff.BackOff {
		// With a factor of 1 the library draws from [0, 2×interval], and its
		// MaxInterval bounds the interval, not what is drawn.
		b := &backoff.ExponentialBackOff{
			InitialInterval:     initial / 2,
			RandomizationFactor: 1,
			Multiplier:          2,
			MaxInterval:         longest / 2,
			Stop:                backoff.Stop,
			Clock:               backoff.SystemClock,
		}
		b.Reset()
		return b
	}
}
