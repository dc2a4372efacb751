package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// untimed is a quota of which nobody says when it starts anew.
func untimed(remaining float64) pace.Quota {
	return quota(remaining, -1)
}

// A quota without a reset may be one of a second as well as one of a day. It is
// asked for again soon, and then less often.
func TestSpentWithoutReset(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	exchange(p, sec, 0, nothing, untimed(limit))
	now := sec + 400*ms
	exchange(p, now, 0, nothing, untimed(0))
	require.InDelta(t, 2.4, p.Plan(now, one).Until.Seconds(), 0.01, "a second later")
	now = p.Plan(now, one).Until
	exchange(p, now, 0, nothing, untimed(limit))
	plan := p.Plan(now, one)
	require.Equal(t, now, plan.Until, "it was a new window")
	require.Greater(t, plan.Burst, 1)

	exchange(p, now, 0, nothing, untimed(0))
	begin, looks := now, 0
	for now < begin+10*time.Minute {
		until := p.Plan(now, one).Until
		require.GreaterOrEqual(t, until, now+sec)
		require.LessOrEqual(t, until, now+time.Minute+sec)
		now = until
		exchange(p, now, 0, nothing, untimed(0))
		looks++
	}
	require.Less(t, looks, 200)
}

// A quota that is known to be spent comes back as a whole. The pauses between
// looks are a quarter of the time that it has lasted, even where refusals say
// nothing, so that it is found soon after.
func TestSpentAndRefused(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	exchange(p, sec, 0, nothing, untimed(0))
	begin := 2 * sec
	now, looks := begin, 0
	for now < begin+5*time.Minute {
		exchange(p, now, 0, pace.Answer{Throttled: true})
		looks++
		next := p.Plan(now, one).Until
		require.LessOrEqual(t, next-now, max(2*sec, (now-begin)/4))
		now = next
	}
	require.Less(t, looks, 40)
}
