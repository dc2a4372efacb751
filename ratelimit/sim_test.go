package ratelimit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// simulation is who wants what of a server for a minute.
type simulation struct {
	server   func() quotaServer
	config   ratelimit.Config
	skew     time.Duration
	foreign  bool
	replicas int // 0: 1; they share 32 workers and know nothing of each other
}

type simulated struct {
	ok, refused, peak int
	wanted, got       int // by the foreign client
}

func (r simulated) refusedShare() float64 { return float64(r.refused) / float64(r.ok+r.refused) }

// worlds is in how many worlds a simulation takes place. With -v they are those
// of the table in the package's documentation.
func worlds() int {
	if testing.Verbose() {
		return 3
	}
	return 1
}

// run returns the sum of several worlds.
func (s simulation) run(t *testing.T) (sum simulated) {
	t.Helper()
	for seed := range uint64(worlds()) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
			u := newUpstream(s.server(), seed, s.skew)
			// No deadline: those who can't be served by then would not wait.
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Minute, cancel)
			var wg sync.WaitGroup
			replicas := max(1, s.replicas)
			for range replicas {
				wg.Go(func() { u.work(ctx, newLimiter(t, s.config), 32/replicas) })
			}
			if s.foreign {
				wg.Go(func() {
					wanted, got := u.foreign(ctx, seed)
					sum.wanted += wanted
					sum.got += got
				})
			}
			wg.Wait()
			sum.ok += u.ok
			sum.refused += u.refused
			for _, n := range u.perSecond {
				sum.peak = max(sum.peak, n)
			}
		})
	}
	return sum
}

// TestSimulation sends through the Limiter for a minute, 32 workers at a time,
// to servers that allow 600 requests in it and that are 20 to 400 ms away.
func TestSimulation(t *testing.T) {
	t.Parallel()
	worlds := worlds()
	for _, s := range []struct {
		name string
		new  func() quotaServer
		left float64 // to the other client, of what it wants, at least, in mode Spread
		late float64 // refused, at most, by four replicas, likewise
	}{
		{"fixed window", func() quotaServer { return &steadyWindow{} }, 0.95, 0.04},
		{"sliding window", func() quotaServer { return &slidingWindow{} }, 0.93, 0.05},
		{"sliding window, IETF draft 10", func() quotaServer { return &slidingWindow{named: true} }, 0.93, 0.06},
		{"token bucket", func() quotaServer { return &tokenBucket{tokens: simLimit} }, 0.95, 0.01},
		{"token bucket, rate told", func() quotaServer { return &tokenBucket{tokens: simLimit, described: true} }, 0.95, 0.01},
		{"GCRA", func() quotaServer { return &schedule{} }, 0.95, 0.05},
	} {
		for name, mode := range map[string]ratelimit.Pace{"Spread": ratelimit.Spread, "Burst": ratelimit.Burst, "Threshold": ratelimit.Threshold} {
			t.Run(s.name+", "+name, func(t *testing.T) {
				t.Parallel()
				sim := simulation{server: s.new, config: ratelimit.Config{Pace: mode, ProbeFirst: true}}
				alone := sim.run(t)
				slow, fast := sim, sim
				slow.skew, fast.skew = -5*time.Second, 5*time.Second
				behind, ahead := slow.run(t), fast.run(t)
				for _, r := range []simulated{alone, behind, ahead} {
					require.LessOrEqual(t, r.refusedShare(), 0.01)
					if mode == ratelimit.Spread {
						require.GreaterOrEqual(t, float64(r.ok)/float64(worlds), 0.95*600)
					}
				}
				if mode != ratelimit.Spread && !testing.Verbose() {
					return // the rest is for the table
				}
				sim.foreign = true
				shared := sim.run(t)
				sim.foreign, sim.replicas = false, 4
				four := sim.run(t)
				t.Logf("%-30s %-9s | alone %d / %d / %d | skew %d / %d | shared %d / %d / %d of %d | four %d / %d",
					s.name, name, alone.ok/worlds, alone.refused/worlds, alone.peak,
					behind.refused/worlds, ahead.refused/worlds,
					shared.ok/worlds, shared.refused/worlds, shared.got/worlds, shared.wanted/worlds,
					four.ok/worlds, four.refused/worlds)
				if mode == ratelimit.Spread {
					require.GreaterOrEqual(t, float64(shared.got), s.left*float64(shared.wanted))
					require.LessOrEqual(t, shared.refusedShare(), 0.03)
					require.GreaterOrEqual(t, float64(four.ok)/float64(worlds), 0.92*600)
					require.LessOrEqual(t, four.refusedShare(), s.late)
				}
			})
		}
	}
}
