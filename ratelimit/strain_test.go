package ratelimit_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// To come, to be served and to go away costs the logarithm of how many wait: the
// bounds are those of the trees and heaps, far below the number itself.
func TestLongQueuesCostNoMore(t *testing.T) {
	t.Parallel()
	const waiters = 1 << 12
	log := int(math.Log2(waiters))
	for _, flows := range []int{1, 100, waiters} {
		s := ratelimit.StrainOf(waiters, flows, 60, rand.New(rand.NewPCG(1, uint64(flows))))
		require.Less(t, s.Changed, 12*log, "%d flows", flows)
		require.Less(t, s.Deep, 6*log, "%d flows", flows)
	}
}

// A bucket at which nobody waits has no goroutine, nor one that waits has more
// than those who wait. Not parallel: goroutines of others would count.
func TestBucketsHaveNoGoroutines(t *testing.T) {
	const keys = 1000
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 1})
		before := runtime.NumGoroutine()
		var wait sync.WaitGroup
		for i := range keys {
			for range 2 {
				wait.Go(func() {
					_, err := l.Acquire(t.Context(), strconv.Itoa(i))
					require.NoError(t, err)
				})
			}
		}
		synctest.Wait()
		require.Equal(t, before+keys, runtime.NumGoroutine(), "those who wait")
		wait.Wait()
		synctest.Wait()
		require.Equal(t, before, runtime.NumGoroutine())
	})
}
