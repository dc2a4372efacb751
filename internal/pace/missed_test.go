package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// Where many requests are on their way, there is always one that has just been
// lost. A report covers those that were over before its request was sent all the
// same: they must not be taken off for the rest of the window.
func TestLostRequestsAreForgotten(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	const size, under = 10_000.0, 50
	now := sec
	var flying []pace.Ticket
	for i := range 5_000 {
		flying = append(flying, p.Sent(now, one))
		now += ms
		if len(flying) <= under {
			continue
		}
		done := flying[0]
		flying = flying[1:]
		if i%5 == 0 {
			p.Done(now, &done, pace.Lost)
			continue
		}
		q := quota(size-float64(i), time.Hour-now)
		q.Limit = size
		p.Observe(now, &done, []pace.Quota{q}, nothing)
		p.Done(now, &done, pace.Answered)
	}
	left := p.Snapshot(now).Windows[0].Remaining
	require.InDelta(t, size-5_000, left, under, "not those of all the time, which the reports have counted")
}

// A loss is taken off until a request that was sent after it is reported, however
// many were reported that were sent before.
func TestLossCountsUntilALaterReport(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	remaining := func(now time.Duration) float64 { return p.Snapshot(now).Windows[0].Remaining }
	exchange(p, sec, 0, nothing, quota(90, time.Hour))
	early, middle := p.Sent(sec, one), p.Sent(sec, one)
	first, second := p.Sent(sec, one), p.Sent(sec, one)
	p.Done(2*sec, &first, pace.Lost)
	between := p.Sent(3*sec, one)
	p.Done(4*sec, &second, pace.Lost)
	later := p.Sent(5*sec, one)
	report := func(now time.Duration, k *pace.Ticket) {
		p.Observe(now, k, []pace.Quota{quota(90, time.Hour-now)}, nothing)
		p.Done(now, k, pace.Answered)
	}
	report(6*sec, &early)
	report(6*sec, &middle)
	require.Equal(t, 88.0, remaining(6*sec))
	report(7*sec, &between)
	require.LessOrEqual(t, remaining(7*sec), 89.0, "the second is not covered")
	report(8*sec, &later)
	exchange(p, 9*sec, 0, nothing, quota(90, time.Hour-9*sec))
	require.Equal(t, 90.0, remaining(9*sec))
}
