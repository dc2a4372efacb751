package sender

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// jitter is by which share a delay of a [Schedule] is longer or shorter, so that
// messages that failed together do not come back together.
const jitter = 0.2

// Schedule returns a factory of schedules that wait for each of the delays, a
// fifth more or less, and stop after the last.
func Schedule(delays ...time.Duration) func() backoff.BackOff {
	delays = slices.Clone(delays)
	return func() backoff.BackOff { return &schedule{delays: delays} }
}

// StandardSchedule is that of the Standard Webhooks specification: ten attempts
// in about three days, at once and then after 5 s, 5 min, 30 min, 2 h, 5 h,
// 10 h, 14 h, 20 h and 24 h, each a fifth more or less.
func StandardSchedule() func() backoff.BackOff {
	return Schedule(5*time.Second, 5*time.Minute, 30*time.Minute, 2*time.Hour, 5*time.Hour,
		10*time.Hour, 14*time.Hour, 20*time.Hour, 24*time.Hour)
}

type schedule struct {
	delays []time.Duration
	next   int
}

// Reset starts anew.
func (s *schedule) Reset() { s.next = 0 }

// NextBackOff returns the next delay.
func (s *schedule) NextBackOff() time.Duration {
	if s.next >= len(s.delays) {
		return backoff.Stop
	}
	delay := max(0, min(s.delays[s.next], longest))
	s.next++
	share := 1 + jitter*(2*rand.Float64()-1) // #nosec G404 -- jitter needs no secrecy
	return time.Duration(share * float64(delay))
}

// delayAfter is the delay after so many failures. A schedule does not outlive
// the process, so it is made anew.
func delayAfter(failures int, newSchedule func() backoff.BackOff) time.Duration {
	s := newSchedule()
	if s == nil {
		return backoff.Stop
	}
	delay := backoff.Stop
	for range max(1, failures) {
		if delay = s.NextBackOff(); delay < 0 {
			return backoff.Stop
		}
	}
	return min(delay, longest)
}

// maxWait bounds a Retry-After, unless twice the delay of the schedule is more.
const maxWait = time.Hour

// wish is the wait that an endpoint has asked for, within what makes sense:
// never sooner than by the schedule, and not so late that it stops it.
func wish(asked, delay time.Duration) time.Duration {
	return max(delay, min(asked, max(2*delay, maxWait)))
}
