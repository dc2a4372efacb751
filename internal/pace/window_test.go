package pace_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

func TestWindows(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	remaining := func() float64 { return p.Snapshot(6 * sec).Windows[0].Remaining }
	exchange(p, sec, 100*ms, nothing, quota(50, 10*sec))
	exchange(p, 1200*ms, 100*ms, nothing, quota(60, 10*sec))
	require.Equal(t, 50.0, remaining(), "remaining only falls in a window")
	exchange(p, 1400*ms, 100*ms, nothing, quota(40, 9*sec))
	require.Equal(t, 40.0, remaining())
	exchange(p, 5*sec, 100*ms, nothing, quota(99, 20*sec))
	require.Equal(t, 99.0, remaining(), "another window")

	t.Run("a rising remaining is a bucket", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		for i := range 20 {
			exchange(p, sec+time.Duration(i)*300*ms, 100*ms, nothing, quota(float64(5+i), 10*sec))
		}
		now := 8 * sec
		require.True(t, p.Snapshot(now).Windows[0].Flows)
		require.Equal(t, 24.0, p.Snapshot(now).Windows[0].Remaining)
		plan := p.Plan(now, one)
		require.Equal(t, now, plan.Until)
		require.InDelta(t, 10, plan.Rate, 1.5)
	})
	t.Run("an empty bucket is not waited for until it is full", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		for i := range 20 {
			exchange(p, sec+time.Duration(i)*300*ms, 100*ms, nothing, quota(float64(max(0, 5-i%2-i)), 10*sec))
		}
		require.Less(t, p.Plan(8*sec, one).Until, 10*sec)
	})
	t.Run("a known rate fills", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{Mode: pace.Burst})
		q := quota(0, -1)
		q.Limit, q.FillRate = 40, 2
		exchange(p, sec, 0, nothing, q)
		require.InDelta(t, 1.5, p.Plan(sec, one).Until.Seconds(), 0.001)
		require.Equal(t, 5*sec, p.Plan(5*sec, one).Until)
		require.Equal(t, 8, p.Plan(5*sec, one).Burst)
	})
	t.Run("a known rate grows from window to window, not from answer to answer", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		q := quota(50, -1)
		q.FillRate = 2
		exchange(p, sec, 0, nothing, q)
		q.FillRate = 1e9
		for range 10 {
			exchange(p, sec+ms, 0, nothing, q)
		}
		require.InDelta(t, 2, p.Plan(sec+ms, one).Rate, 0.001)
		exchange(p, time.Minute, 0, nothing, q)
		require.InDelta(t, 4, p.Plan(time.Minute, one).Rate, 0.001)
		q.FillRate = 1
		exchange(p, 2*time.Minute, 0, nothing, q)
		require.InDelta(t, 1, p.Plan(2*time.Minute, one).Rate, 0.001)
	})
	t.Run("a bucket that has filled needs no probe", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		q := quota(0, -1)
		q.FillRate = 10
		exchange(p, sec, 0, nothing, q)
		require.False(t, p.Snapshot(time.Minute).Restarting)
		require.Equal(t, 10, p.Plan(time.Minute, one).Burst)
	})
	t.Run("only remaining is known", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		left := func(n float64) pace.Quota {
			return pace.Quota{Limit: -1, Remaining: n, Used: -1, Window: -1, ResetIn: -1, FillRate: -1}
		}
		exchange(p, sec, 0, nothing, left(40))
		require.Equal(t, 40, p.Plan(sec, one).Burst)
		require.True(t, math.IsInf(p.Plan(sec, one).Rate, 1), "no reset, no rate")
		late := p.Sent(2*sec, one)
		exchange(p, 3*sec, 0, nothing, left(30))
		p.Observe(4*sec, &late, []pace.Quota{left(39)}, nothing)
		require.Equal(t, 30.0, p.Snapshot(4 * sec).Windows[0].Remaining, "it was overtaken")
		exchange(p, 5*sec, 0, nothing, left(100))
		require.Equal(t, 100.0, p.Snapshot(5 * sec).Windows[0].Remaining, "a new window")
		exchange(p, 6*sec, 0, nothing, left(1e6))
		require.Equal(t, 200.0, p.Snapshot(6 * sec).Windows[0].Remaining)
	})
	t.Run("an answer that was overtaken, of a bucket", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		late := p.Sent(500*ms, one)
		q := quota(10, -1)
		q.FillRate = 1
		exchange(p, sec, 0, nothing, q)
		q.Remaining = 12
		require.False(t, p.Observe(sec, &late, []pace.Quota{q}, nothing))
		q.Remaining = 8
		require.True(t, p.Observe(sec, &late, []pace.Quota{q}, nothing))
		require.Equal(t, 8.0, p.Snapshot(sec).Windows[0].Remaining)
	})
	t.Run("two servers that count apart", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{Mode: pace.Burst})
		for i := range 50 {
			now := sec + time.Duration(i)*100*ms
			exchange(p, now, 10*ms, nothing, quota(float64(90-i-10*(i%2)), (12*sec-now).Truncate(sec)))
		}
		require.False(t, p.Snapshot(6 * sec).Windows[0].Flows)
		require.Equal(t, 31.0, p.Snapshot(6 * sec).Windows[0].Remaining, "the lower one counts")
	})
	t.Run("used and limit are as good as remaining", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{Mode: pace.Burst})
		exchange(p, sec, 0, nothing, pace.Quota{Limit: 20, Remaining: -1, Used: 13, Window: sec, ResetIn: -1, FillRate: -1})
		require.Equal(t, 7, p.Plan(sec, one).Burst)
	})
	t.Run("a policy alone is a rate", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		exchange(p, sec, 0, nothing, pace.Quota{Limit: 100, Remaining: -1, Used: -1, Window: 10 * sec, ResetIn: -1, FillRate: -1})
		for _, now := range []time.Duration{sec, time.Minute} {
			plan := p.Plan(now, one)
			require.Equal(t, now, plan.Until)
			require.InDelta(t, 10, plan.Rate, 1e-9)
			require.Equal(t, 10, plan.Burst)
		}
	})
	t.Run("a policy comes before what is left, and after", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		q := pace.Quota{Policy: "burst", Limit: 100, Remaining: -1, Used: -1, Window: 10 * sec, ResetIn: -1, FillRate: -1}
		exchange(p, sec, 0, nothing, q)
		q.Remaining, q.ResetIn = 40, 5*sec
		exchange(p, sec, 0, nothing, q)
		require.InDelta(t, 8, p.Plan(sec, one).Rate, 1e-9)
		q.Remaining, q.ResetIn = -1, -1
		exchange(p, sec, 0, nothing, q)
		require.InDelta(t, 8, p.Plan(sec, one).Rate, 1e-9)
	})
	t.Run("nothing left, and no reset", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		exchange(p, sec, 0, nothing, pace.Quota{Limit: -1, Remaining: 0, Used: -1, Window: -1, ResetIn: -1, FillRate: -1})
		require.InDelta(t, 2, p.Plan(sec, one).Until.Seconds(), 0.5)
	})
	t.Run("a reset in the past", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		exchange(p, sec, 0, nothing, quota(0, 0))
		require.InDelta(t, 1.25, p.Plan(sec, one).Until.Seconds(), 0.1, "less than a second is left")
	})
}

// No reset is farther away than the window is long. Which of the roundings it had
// is not known, but so much is.
func TestResetIsWithinTheWindow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		window, in, to time.Duration
	}{
		"a window that has just begun":   {10 * sec, 10 * sec, 11100 * ms},
		"one that is about to end":       {10 * sec, 2 * sec, 4100 * ms},
		"not told how long it is":        {-1, 10 * sec, 12100 * ms},
		"told something else":            {sec, 10 * sec, 12100 * ms},
		"short beside a second of guard": {2 * sec, 2 * sec, 4100 * ms},
	} {
		p := warm(t, pace.Config{})
		q := quota(99, tt.in)
		q.Window = tt.window
		exchange(p, sec, 100*ms, nothing, q)
		require.Equal(t, tt.to, p.Snapshot(1100 * ms).Windows[0].To, name)
	}
}
