package ratelimit_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// To come, to be served and to go away costs the logarithm of how many wait: the
// bounds are those of the trees and heaps, far below the number itself.
func TestLongQueuesCostNoMore(t *testing.T) {
	t.Parallel()
	const waiters = 1 << 11
	log := int(math.Log2(waiters))
	for _, flows := range []int{1, 100, waiters} {
		s := ratelimit.StrainOf(waiters, flows, 60, rand.New(rand.NewPCG(1, uint64(flows))))
		require.Less(t, s.Changed, 12*log, "%d flows", flows)
		require.Less(t, s.Deep, 6*log, "%d flows", flows)
	}
}

// A queue has no goroutine beside those who wait, and a bucket at rest has none:
// otherwise the bubble could not end.
func TestBucketsHaveNoGoroutines(t *testing.T) {
	t.Parallel()
	const keys = 1000
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 1})
		for i := range keys {
			for range 2 {
				go func() {
					_, err := l.Acquire(t.Context(), strconv.Itoa(i))
					require.NoError(t, err)
				}()
			}
		}
		synctest.Wait()
		require.Len(t, rttest.Goroutines(), keys, "those who wait")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, rttest.Goroutines())
	})
}
