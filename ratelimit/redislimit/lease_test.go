package redislimit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

func TestOneReplica(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config redislimit.Config
		want   []time.Duration
	}{
		"one at a time":        {redislimit.Config{Rate: 10, Burst: 1}, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
		"burst, then the rate": {redislimit.Config{Rate: 10, Burst: 3}, []time.Duration{0, 0, 0, 100 * ms}},
		"default burst":        {redislimit.Config{Rate: 2}, []time.Duration{0, 0, 500 * ms, time.Second}},
		"slower than one":      {redislimit.Config{Rate: 0.1}, []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, tt.want, turns(t, newLimiter(t, newFake(), tt.config), "key", 4))
			})
		})
	}
}

// Replicas that want more than there is get all of it, and no more, whatever
// Redis' latency.
func TestReplicasShare(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{0, ms, 10 * ms, 40 * ms} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rate, burst, replicas = 200, 200, 4
				f := newFake()
				f.latency = latency
				var limiters []*redislimit.Limiter
				for range replicas {
					limiters = append(limiters, newLimiter(t, f, redislimit.Config{Rate: rate, Burst: burst}))
				}
				var admitted ledger
				require.Empty(t, crowd(t, limiters, 8, 10*time.Second, &admitted))
				time.Sleep(time.Second) // the last calls end
				const ideal = burst + 10*rate
				t.Logf("%d of %d admitted, %d calls of Redis, %d in the busiest second", admitted.count(), ideal, f.count(), admitted.busiest(time.Second))
				require.GreaterOrEqual(t, admitted.count(), ideal*99/100)
				require.LessOrEqual(t, admitted.count(), ideal+1)
				require.LessOrEqual(t, float64(f.count()), 0.15*float64(admitted.count()))
				require.LessOrEqual(t, admitted.busiest(time.Second), rate+burst+replicas*burst/4)
				for _, l := range limiters {
					b := l.Snapshot().Buckets[0]
					require.Equal(t, replicas, b.Replicas)
					require.GreaterOrEqual(t, b.Sent, uint64(ideal/replicas*6/10), "each has its share, though not after every second")
				}
			})
		})
	}
}

// A replica takes more slots at once the more it needs, up to a quarter of the
// burst, and at rest it has none.
func TestLeaseAdapts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		l := newLimiter(t, newFake(), redislimit.Config{
			Rate: 1000, Burst: 100,
			Hooks: redislimit.Hooks{Lease: func(l redislimit.Lease) { sizes = append(sizes, l.Slots) }},
		})
		for range 10 {
			turns(t, l, "key", 1)
			time.Sleep(time.Second)
		}
		for _, size := range sizes {
			require.Equal(t, 1, size, "one request a second")
		}
		turns(t, l, "key", 200)
		biggest := 0
		for _, size := range sizes {
			biggest = max(biggest, size)
		}
		require.LessOrEqual(t, biggest, 25)
		require.Greater(t, biggest, 10)
		time.Sleep(2 * time.Second)
		require.Zero(t, l.Snapshot().Buckets[0].Slots)
	})
}

// The slots of a replica that went away pass, and nobody waits for more than
// one lease of them.
func TestCrashedReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 100, Burst: 40}
		dead, alive := newLimiter(t, f, c), newLimiter(t, f, c)
		turns(t, dead, "key", 60) // and never again
		granted := dead.Snapshot().Buckets[0].Granted
		require.LessOrEqual(t, granted, uint64(60+10), "one lease is lost at most")
		begin := time.Now()
		turns(t, alive, "key", 1)
		require.LessOrEqual(t, time.Since(begin), 11*10*ms)
	})
}

// What nobody waits for any more goes back, if nobody has leased since.
func TestUnusedGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 1, Burst: 1}
		a, b := newLimiter(t, f, c), newLimiter(t, f, c)
		turns(t, a, "key", 1)
		ctx, cancel := cancelAfter(t, 100*ms)
		defer cancel()
		require.ErrorIs(t, a.Wait(ctx, "key"), errGone)
		synctest.Wait()
		require.Equal(t, []time.Duration{900 * ms}, turns(t, b, "key", 1))

		// Now another has leased after it: the slot is lost.
		ctx, cancel = cancelAfter(t, 100*ms)
		defer cancel()
		done := make(chan time.Duration, 1)
		begin := time.Now()
		go func() {
			time.Sleep(50 * ms)
			turns(t, b, "key", 1)
			done <- time.Since(begin)
		}()
		require.ErrorIs(t, a.Wait(ctx, "key"), errGone)
		require.Equal(t, 2*time.Second, <-done)
	})
}

func TestRestOfExpiredLeaseGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 10, Burst: 40})
		turns(t, l, "key", 30) // leases ahead
		slots := l.Snapshot().Buckets[0].Slots
		require.Positive(t, slots)
		time.Sleep(500 * ms)
		require.Zero(t, l.Snapshot().Buckets[0].Slots)
		// 40 at the start, 5 in half a second, 30 spent.
		require.Equal(t, make([]time.Duration, 15), turns(t, l, "key", 15))
		require.Positive(t, turns(t, l, "key", 1)[0])
	})
}

func TestKeysDoNotShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		l := newLimiter(t, f, redislimit.Config{Rate: 1, Burst: 1, MaxKeys: 3})
		for i := range 10 {
			require.Equal(t, []time.Duration{0}, turns(t, l, fmt.Sprint("key", i), 1))
		}
		require.Len(t, l.Snapshot().Buckets, 3)
		require.Equal(t, []time.Duration{time.Second}, turns(t, l, "key0", 1), "forgotten here, but not there")
	})
}
