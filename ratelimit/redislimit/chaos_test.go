package redislimit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

// Callers come and go, slots come back, upstreams ask for pauses and Redis fails
// now and then. Every call ends in time and in one of the ways that are
// documented, and the limit holds.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		outages := seed%2 == 0
		synctest.Test(t, func(t *testing.T) {
			const rate, burst, replicas = 100, 40, 3
			f := newFake()
			f.latency = 3 * ms
			var limiters []*redislimit.Limiter
			for range replicas {
				limiters = append(limiters, newLimiter(t, f, redislimit.Config{Rate: rate, Burst: burst, MaxQueue: 12}))
			}
			var sent ledger
			var wg sync.WaitGroup
			for i := range 30 {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				limiter := limiters[i%replicas]
				wg.Go(func() {
					for range 100 {
						patience := time.Duration(random.IntN(300)) * ms
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						if random.IntN(4) == 0 {
							ctx, cancel = cancelAfter(t, patience)
						}
						begin := time.Now()
						err := limiter.Do(ctx, "key", func(context.Context) error {
							if random.IntN(5) == 0 {
								return &redislimit.Error{} // not sent
							}
							sent.note()
							return nil
						})
						cancel()
						require.LessOrEqual(t, time.Since(begin), patience)
						if err != nil && !errors.Is(err, errGone) && !errors.Is(err, context.DeadlineExceeded) {
							require.ErrorIs(t, err, redislimit.ErrLimited)
						}
						switch random.IntN(200) {
						case 0:
							limiter.Hold("key", time.Duration(random.IntN(100))*ms)
						case 1:
							limiter.Publish("key", random.IntN(50), time.Duration(random.IntN(500))*ms)
						case 2, 3:
							f.set(outages && random.IntN(3) == 0)
						}
						time.Sleep(time.Duration(random.IntN(20)) * ms)
					}
				})
			}
			wg.Wait()
			f.set(false)
			time.Sleep(5 * time.Second)
			require.Positive(t, sent.count())
			bound := rate + burst + replicas*burst/4
			if outages {
				bound += rate * 8 / 10 // the local shares of those who have not noticed that Redis is back
			}
			require.LessOrEqual(t, sent.busiest(time.Second), bound)
			for _, l := range limiters {
				s := l.Snapshot()
				require.Zero(t, s.Buckets[0].Queued)
				require.Zero(t, s.Buckets[0].Slots)
			}
		})
	}
}
