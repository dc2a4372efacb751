package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// trip sends a request to s and back in no time, and reports whether it was
// served.
func trip(p *pace.Pacer, s server, now time.Duration) bool {
	ticket := p.Sent(now, one)
	a := s.serve(now)
	p.Observe(now, &ticket, []pace.Quota{a.quota}, pace.Answer{Throttled: a.throttled})
	p.Done(now, &ticket, pace.Answered)
	return !a.throttled
}

// evenly sends one request each 200 ms.
func evenly(p *pace.Pacer, s server, from, to time.Duration) {
	for now := from; now < to; now += 200 * ms {
		trip(p, s, now)
	}
}

func TestSlides(t *testing.T) {
	t.Parallel()
	left := func(p *pace.Pacer, now time.Duration) float64 { return p.Snapshot(now).Windows[0].Remaining }
	for name, s := range map[string]func(size) server{
		"reset is the window": newSliding, "window known": newSlidingNamed,
		"reset of the oldest": newSlidingOldest, "two counters": newWeighted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := warm(t, pace.Config{}), s(size{60, 10 * sec})
			evenly(p, s, sec, 32*sec)
			now := 32 * sec
			require.True(t, p.Snapshot(now).Windows[0].Flows)
			require.InDelta(t, 10, left(p, now), 2)
			require.InDelta(t, 6, p.Plan(now, one).Rate, 0.1, "its limit by its length")
			require.InDelta(t, 20, left(p, now+2*sec), 3, "what was sent is forgotten")
			require.InDelta(t, 45, left(p, now+7*sec), 3)
			require.InDelta(t, 60, left(p, now+10*sec), 6)
		})
	}
	t.Run("what is known to be ours is waited for", func(t *testing.T) {
		t.Parallel()
		p, s := warm(t, pace.Config{Mode: pace.Burst}), newSliding(size{60, 10 * sec})
		evenly(p, s, sec, 20*sec)
		for left(p, 20*sec) > 0 {
			trip(p, s, 20*sec)
		}
		plan := p.Plan(20*sec, one)
		require.InDelta(t, 20.3, plan.Until.Seconds(), 0.2)
		require.Equal(t, plan.Until, plan.Resume)
		require.True(t, trip(p, s, 20*sec+500*ms))
	})
	t.Run("what costs nothing and what is refused does not come back", func(t *testing.T) {
		t.Parallel()
		p, s := warm(t, pace.Config{}), newSliding(size{60, 10 * sec})
		evenly(p, s, sec, 20*sec)
		before := left(p, 30*sec+500*ms)
		for range 20 {
			ticket := p.Sent(20*sec, one)
			p.Done(20*sec, &ticket, pace.Free)
		}
		evenly(p, s, 20*sec, 30*sec)
		require.InDelta(t, before-50, left(p, 30*sec+500*ms), 4)
	})
	t.Run("refusals make it careful", func(t *testing.T) {
		t.Parallel()
		p, s := warm(t, pace.Config{}), newSliding(size{60, 10 * sec})
		evenly(p, s, sec, 20*sec)
		now := 20 * sec
		fewest := func() (n int) { // that must be left for one to go
			for ; n < 20; n++ {
				ticket := p.Sent(now, one)
				p.Observe(now, &ticket, []pace.Quota{size{60, 10 * sec}.quota(float64(n), 10*sec)}, nothing)
				p.Done(now, &ticket, pace.Answered)
				if p.Plan(now, one).Until == now {
					break
				}
				now += ms
			}
			return n
		}
		require.Equal(t, 1, fewest())
		tickets := make([]pace.Ticket, 30)
		for i := range tickets {
			tickets[i] = p.Sent(now, one)
		}
		for i := range tickets {
			p.Observe(now, &tickets[i], []pace.Quota{size{60, 10 * sec}.quota(0, 10*sec)}, pace.Answer{Throttled: true})
			p.Done(now, &tickets[i], pace.Answered)
		}
		require.InDelta(t, 9, fewest(), 1, "an eighth, and one")
	})
}

// A bucket does not forget what was sent: it fills at its own rate.
func TestBucketsDoNotSlide(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]func(size) server{"bucket": newBucket, "GCRA": newGCRA} {
		for _, size := range []size{{60, 10 * sec}, {100, 10 * sec}, {1000, time.Minute}, {60, time.Hour}} {
			p, s := warm(t, pace.Config{Mode: pace.Burst}), s(size)
			pause := time.Duration(float64(sec) / size.perSecond() / 2)
			for now := sec; now < 2*size.period; now += pause {
				trip(p, s, now)
			}
			now := 2 * size.period
			w := p.Snapshot(now).Windows[0]
			require.True(t, w.Flows, name)
			require.Equal(t, w.Remaining, p.Snapshot(now + w.To - now - 1).Windows[0].Remaining, name)
		}
	}
}

// A window that gave nothing back at its reset is looked at before the next one.
func TestHollowReset(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	s := newWeighted(size{100, time.Minute})
	for now := sec; now < 59*sec; now += 600 * ms {
		trip(p, s, now)
	}
	for trip(p, s, 59*sec) {
	}
	now := p.Plan(60*sec, one).Until
	require.Less(t, now, 63*sec, "the reset, and some time for rounding")
	trip(p, s, now)
	require.Less(t, p.Plan(now, one).Until, 95*sec)
}

// What was sent a window ago is back when a window that looked fixed is over,
// whatever it is.
func TestGoesOnWhereAWindowEnds(t *testing.T) {
	t.Parallel()
	spend := func(mode pace.Mode) (*pace.Pacer, time.Duration) {
		p, s := warm(t, pace.Config{Mode: mode}), newSlidingDraft(usual)
		for now := ms; now < 10*sec; now += 10 * sec / 97 {
			trip(p, s, now)
		}
		w := p.Snapshot(10 * sec).Windows[0]
		require.InDelta(t, 3, w.Remaining, 1)
		return p, w.To + 500*ms
	}
	p, now := spend(pace.Spread)
	require.False(t, p.Snapshot(now).Restarting, "evenly, it goes on as before")
	require.InDelta(t, 8, p.Plan(now, one).Burst, 2, "what was left, and what is back")
	require.InDelta(t, 10, p.Plan(now, one).Rate, 0.1)

	p, now = spend(pace.Burst)
	require.True(t, p.Snapshot(now).Restarting, "all would go at once")

	p = warm(t, pace.Config{})
	exchange(p, 8*sec, ms, nothing, quota(3, 2*sec))
	require.True(t, p.Snapshot(12*sec).Restarting, "it was others who used it")
}

// A window that slides is asked for more than a fixed one, with each plan.
func BenchmarkSlide(b *testing.B) {
	size := size{1000, 10 * sec}
	p := newRules(b, pace.Config{}).NewPacer()
	b.ReportAllocs()
	remaining := 900.0
	for now := time.Duration(0); b.Loop(); now += 20 * ms {
		p.Plan(now, one)
		ticket := p.Sent(now, one)
		remaining = max(500, remaining-1)
		p.Observe(now, &ticket, []pace.Quota{size.quota(remaining, 10*sec)}, nothing)
		p.Done(now, &ticket, pace.Answered)
	}
}
