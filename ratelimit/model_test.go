package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// What is foretold to the last who comes is what comes to pass, whatever waits
// already. If calls cost more than a token, his turn may come earlier.
func TestForecast(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				told := time.Duration(0)
				w := newCrew(t, ratelimit.Config{Rate: 8, Burst: 1 + random.IntN(3), Hooks: ratelimit.Hooks{
					Wait: func(x ratelimit.Wait) { told = x.For },
				}})
				cost := func() int { return 1 }
				if seed%2 == 1 {
					cost = func() int { return 1 + random.IntN(4) }
				}
				flows := 1 + random.IntN(6)
				for range 60 {
					ctx := ratelimit.WithCost(t.Context(), cost())
					ctx = ratelimit.WithPriority(ctx, ratelimit.Priority(random.IntN(3)-1))
					ctx = ratelimit.WithFlow(ctx, strconv.Itoa(random.IntN(flows)))
					switch random.IntN(5) {
					case 0:
						time.Sleep(time.Duration(random.IntN(300)) * ms)
					case 1:
						var cancel context.CancelFunc
						ctx, cancel = context.WithCancel(ctx)
						time.AfterFunc(time.Duration(random.IntN(500))*ms, cancel)
					}
					w.sends(ctx, "other")
				}
				time.Sleep(time.Second) // the last of the cancelled has gone
				ctx := ratelimit.WithPriority(t.Context(), ratelimit.Priority(random.IntN(3)-1))
				ctx = ratelimit.WithCost(ratelimit.WithFlow(ctx, strconv.Itoa(random.IntN(flows))), cost())
				come := time.Since(w.begin)
				told = 0
				w.sends(ctx, "last")
				w.wg.Wait()
				got := w.at[slices.Index(w.served, "last")] - come
				const rounding = 100 * time.Nanosecond // a little with each token
				require.LessOrEqual(t, got, told+rounding)
				if seed%2 == 0 {
					require.GreaterOrEqual(t, got, told-rounding)
				}
			})
		})
	}
}

// Nothing is lost and nothing is given twice, whoever comes, goes and holds.
func TestConservation(t *testing.T) {
	t.Parallel()
	const limit, burst, most, crowd = 100, 5, 7, 1000
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: limit, Burst: burst, MaxInFlight: most, MaxQueue: 700})
		var mu sync.Mutex
		var at []time.Duration
		var wg sync.WaitGroup
		ended, inFlight, highest := 0, 0, 0
		begin := time.Now()
		for i := range uint64(crowd) {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(i, 2))
				time.Sleep(time.Duration(random.IntN(3000)) * ms)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				switch random.IntN(4) {
				case 0:
					ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(5000))*ms)
					defer cancel()
				case 1:
					time.AfterFunc(time.Duration(random.IntN(5000))*ms, cancel)
				}
				ctx = ratelimit.WithPriority(ctx, ratelimit.Priority(random.IntN(3)-1))
				ctx = ratelimit.WithFlow(ctx, strconv.Itoa(random.IntN(10)))
				p, err := l.Acquire(ctx, "key")
				mu.Lock()
				ended++
				if err != nil {
					mu.Unlock()
					return
				}
				at = append(at, time.Since(begin))
				inFlight++
				highest = max(highest, inFlight)
				mu.Unlock()
				time.Sleep(time.Duration(random.IntN(100)) * ms)
				mu.Lock()
				inFlight--
				mu.Unlock()
				if random.IntN(100) == 0 {
					err = throttledFor(time.Duration(random.IntN(300)) * ms)
				}
				p.Release(err)
			})
		}
		wg.Wait()
		require.Equal(t, crowd, ended)
		require.Equal(t, most, highest)
		require.Greater(t, len(at), crowd/3)
		slices.Sort(at)
		for i := range at {
			for j := i; j < len(at); j++ {
				require.LessOrEqual(t, float64(j-i+1), burst+limit*(at[j]-at[i]+1).Seconds()+1e-6)
			}
		}
		s := l.Snapshot()[0]
		require.Zero(t, s.InFlight)
		require.Zero(t, s.Waiting)
	})
}

// When a hold comes, exactly those are refused who could not be served in time.
func TestReplanIsExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 3))
				w := newCrew(t, ratelimit.Config{Rate: 5, Burst: 1})
				time.Sleep(time.Second)
				p, err := w.limiter.Acquire(t.Context(), "key")
				require.NoError(t, err)
				for i := range 60 {
					// Turns fall on whole milliseconds, but for rounding.
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20_000))*ms+ms/2)
					defer cancel()
					ctx = ratelimit.WithPriority(ctx, ratelimit.Priority(random.IntN(3)-1))
					w.sends(ratelimit.WithFlow(ctx, strconv.Itoa(random.IntN(4))), strconv.Itoa(i))
				}
				time.Sleep(time.Second)
				p.Release(throttledFor(time.Duration(random.IntN(8000)) * ms))
				synctest.Wait()
				refused := len(w.refused)
				w.wg.Wait()
				require.Len(t, w.refused, refused, "nobody is refused later")
				require.Len(t, w.served, 60-refused)
			})
		})
	}
}
