package retry

import (
	"math/rand/v2"
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
// initial. The same holds for the other schedules of this package.
func FullJitter(initial, longest time.Duration) func() backoff.BackOff {
	// The library draws from [interval×(1-factor), interval×(1+factor)], and
	// its MaxInterval bounds the interval, not what is drawn.
	return exponential(initial, longest, 0.5, 1)
}

// EqualJitter returns a factory of exponential schedules of which one half is
// fixed and the other random: the first delay is between initial/2 and initial,
// and both ends double until the upper one reaches longest. It never repeats at
// once, and spreads less than [FullJitter].
func EqualJitter(initial, longest time.Duration) func() backoff.BackOff {
	return exponential(initial, longest, 0.75, 1.0/3)
}

// exponential makes schedules around the share middle of an upper end that
// doubles from initial to longest.
func exponential(initial, longest time.Duration, middle, factor float64) func() backoff.BackOff {
	initial, longest = ends(initial, longest)
	return func() backoff.BackOff {
		b := &backoff.ExponentialBackOff{
			InitialInterval:     max(1, time.Duration(middle*float64(initial))),
			RandomizationFactor: factor,
			Multiplier:          2,
			MaxInterval:         max(1, time.Duration(middle*float64(longest))),
			Stop:                backoff.Stop,
			Clock:               noClock{},
		}
		b.Reset()
		return b
	}
}

// noClock spares a schedule without a MaxElapsedTime the reading of a clock
// that nobody looks at.
type noClock struct{}

// Now is always the same.
func (noClock) Now() time.Time { return time.Time{} }

// DecorrelatedJitter returns a factory of schedules in which each delay is
// drawn between initial and three times the one before, and is at most longest:
// it grows as fast as it happens to, so that clients lose step with each other.
func DecorrelatedJitter(initial, longest time.Duration) func() backoff.BackOff {
	initial, longest = ends(initial, longest)
	return func() backoff.BackOff {
		return &decorrelated{initial: initial, longest: longest, last: initial}
	}
}

type decorrelated struct{ initial, longest, last time.Duration }

// Reset starts anew.
func (d *decorrelated) Reset() { d.last = d.initial }

// NextBackOff draws the next delay.
func (d *decorrelated) NextBackOff() time.Duration {
	upper := d.longest
	if d.last < d.longest/3 {
		upper = 3 * d.last
	}
	d.last = d.initial + rand.N(max(upper-d.initial, 0)+1) // #nosec G404 -- jitter needs no secrecy
	return d.last
}

// Constant returns a factory of schedules that always wait for d; a negative d
// means 0. Clients that failed together come back together.
func Constant(d time.Duration) func() backoff.BackOff {
	d = max(0, d)
	return func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
}

func ends(initial, longest time.Duration) (lower, upper time.Duration) {
	if initial <= 0 {
		initial = defaultInitial
	}
	return initial, max(initial, longest)
}
