package ratelimit_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// All of a crowd that waits can go away, or be served, one by one. Not parallel:
// the tests that look at all goroutines would look at these each time.
func TestCrowdOfWaiters(t *testing.T) {
	const waiters = 20_000
	synctest.Test(t, func(t *testing.T) {
		var wait sync.WaitGroup
		defer wait.Wait()
		l := newLimiter(t, ratelimit.Config{Rate: 1000, Burst: 1, MaxQueue: waiters})
		_, err := l.Acquire(t.Context(), "key")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{}, waiters)
		for i := range waiters {
			wait.Go(func() {
				if _, err := l.Acquire(ratelimit.WithFlow(ctx, strconv.Itoa(i%1000)), "key"); err == nil {
					served <- struct{}{}
				}
			})
		}
		synctest.Wait()
		require.Equal(t, waiters, l.Snapshot()[0].Waiting.Normal)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Len(t, served, 4_000)
		cancel()
		synctest.Wait()
		require.Zero(t, l.Snapshot()[0].Waiting)
		require.Len(t, served, 4_000)
	})
}
