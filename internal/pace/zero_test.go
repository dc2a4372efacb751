package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// zeroes tells that nothing remains, whatever it is.
type zeroes struct{ server }

func newZeroes(s size) server { return zeroes{newFixed(s)} }

func (s zeroes) serve(now time.Duration) answer {
	a := s.server.serve(now)
	a.quota.Remaining = 0
	return a
}

// A field that is always 0 does not stop what is served.
func TestAlwaysZero(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size  size
		lasts time.Duration
		used  float64
	}{
		{size{50, sec}, time.Minute, 0.75},
		{size{600, time.Minute}, 10 * time.Minute, 0.7}, // three looks are worth 27 %
		{size{5000, time.Hour}, 10 * time.Hour, 0.9},
	} {
		for mode, name := range []string{"Spread", "Burst", "Threshold"} {
			r := scenario{
				server: newZeroes, size: tt.size, strategy: pacer(t, pace.Mode(mode)),
				least: 20 * ms, most: 40 * ms, lasts: tt.lasts, worlds: 2,
			}.run()
			used := r.ok / (tt.size.perSecond() * tt.lasts.Seconds())
			t.Logf("%4.0f in %v, %-9s | %5.1f%% / %.1f", tt.size.limit, tt.size.period, name, 100*used, r.refused)
			require.GreaterOrEqual(t, used, tt.used)
			require.LessOrEqual(t, r.refusedShare(), 0.01)
		}
	}
}

// singles lets one request pass each period, but says that its limit is size.
type singles struct {
	size
	next time.Duration
}

func (s *singles) serve(now time.Duration) answer {
	a := answer{throttled: now < s.next, quota: s.quota(0, s.period)}
	if !a.throttled {
		s.next = now + s.period
	}
	return a
}

func TestZeroThatIsTrue(t *testing.T) {
	t.Parallel()
	looks := func(p *pace.Pacer, q pace.Quota) time.Duration {
		now := sec
		for range 5 {
			exchange(p, now, ms, nothing, q)
			now += time.Minute
		}
		return now
	}
	goes := func(p *pace.Pacer, now time.Duration) bool { return p.Plan(now-30*sec, one).Until == now-30*sec }
	q := quota(0, time.Minute)

	p := warm(t, pace.Config{})
	now := looks(p, q)
	require.True(t, goes(p, now), "served five times")
	require.LessOrEqual(t, p.Plan(now, one).Rate, limit/60.0)
	exchange(p, now, ms, nothing, quota(5, time.Minute))
	exchange(p, now+ms, ms, nothing, q)
	require.Greater(t, p.Plan(now+2*ms, one).Until, now+30*sec, "more than 0 was told")

	p = warm(t, pace.Config{})
	single := q
	single.Limit = 1
	require.False(t, goes(p, looks(p, single)), "there never is more")

	p = warm(t, pace.Config{})
	unlimited := q
	unlimited.Limit = -1
	require.False(t, goes(p, looks(p, unlimited)), "nobody knows how fast")

	p = warm(t, pace.Config{Rate: 0.5})
	require.LessOrEqual(t, p.Plan(looks(p, q), one).Rate, 0.5, "Config.Rate binds")

	p = warm(t, pace.Config{})
	exchange(p, 0, ms, pace.Answer{Throttled: true}, q)
	require.False(t, goes(p, looks(p, q)), "a refusal asks for twice as many")

	t.Run("where the limit is none", func(t *testing.T) {
		t.Parallel()
		r := scenario{
			server: func(s size) server { return &singles{size: s} }, size: size{600, 10 * sec},
			strategy: pacer(t, pace.Threshold), least: 20 * ms, most: 40 * ms, lasts: time.Hour, worlds: 2,
		}.run()
		t.Logf("%.0f / %.0f", r.ok, r.refused)
		require.LessOrEqual(t, r.refusedShare(), 0.05)
	})
}
