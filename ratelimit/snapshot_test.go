package ratelimit_test

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 2, Burst: 4, MaxInFlight: 9})
		require.Empty(t, l.Snapshot())
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		held, _ := acquire(ratelimit.WithCost(ctx, 4), t, l)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _ = l.Acquire(ratelimit.WithPriority(ctx, ratelimit.Batch), "key") })
			wg.Go(func() { _, _ = l.Acquire(ratelimit.WithPriority(ctx, 100), "key") })
		}
		wg.Go(func() { _, _ = l.Acquire(ratelimit.WithPriority(ctx, ratelimit.Interactive), "key") })
		wg.Go(func() { _, _ = l.Acquire(ctx, "key") })
		synctest.Wait()
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "5"}})
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, []ratelimit.Bucket{
			{
				Key: "https://api.example.com", Rate: 2, Burst: 4, Tokens: 3, MaxInFlight: 9,
				NextSlot: begin.Add(5 * time.Second), HeldUntil: begin.Add(5 * time.Second),
				Server: &ratelimit.Server{
					Rate: 2, Burst: 1, Throttled: 1,
					Until: begin.Add(5 * time.Second), Resume: begin.Add(5 * time.Second),
				},
			},
			{
				Key: "key", Rate: 2, Burst: 4, InFlight: 1, MaxInFlight: 9,
				Waiting: ratelimit.Waiting{Interactive: 4, Normal: 1, Batch: 3}, NextSlot: begin.Add(time.Second / 2),
			},
		}, l.Snapshot())
		held.Settle(6)
		bucket := l.Snapshot()[1]
		require.InDelta(t, -2, bucket.Tokens, 1e-9)
		require.Equal(t, begin.Add(1500*ms), bucket.NextSlot)
		cancel()
		wg.Wait()
		require.Zero(t, l.Snapshot()[1].Waiting)
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 5})
		for n, want := range map[int]time.Duration{-1: 0, 0: 0, 1: 0, 5: 0, 6: 100 * ms, 1005: 100 * time.Second, math.MaxInt: math.MaxInt64} {
			require.Equal(t, want, l.Plan("key", n), "%d calls", n)
		}
		require.Empty(t, l.Snapshot(), "asking leaves no trace")
		begin := time.Now()
		planned := l.Plan("https://api.example.com", 50)
		send(t, l, rttest.NewScript(), "api.example.com", 50)
		require.InDelta(t, planned, time.Since(begin), 100, "nanoseconds")

		send(t, l, rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "5"}}), "api.example.com", 1)
		require.Equal(t, 5900*ms, l.Plan("https://api.example.com", 10), "one by one after the hold")

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _ = l.Acquire(ratelimit.WithCost(ctx, 25), "key") }()
		go func() { _, _ = l.Acquire(ratelimit.WithCost(ctx, 8), "key") }()
		synctest.Wait()
		require.InDelta(t, 3800*ms-1, l.Plan("key", 10), 1, "behind a debt of 20 and a call that waits")

		free := newLimiter(t, ratelimit.Config{})
		require.Zero(t, free.Plan("key", math.MaxInt))
	})
}

// In shadow mode everything goes at once, and the hooks tell of what would have
// been.
func TestShadow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		var refused []ratelimit.Error
		l := newLimiter(t, ratelimit.Config{
			Rate: 1, MaxWait: 3 * time.Second, MaxInFlight: 4, Shadow: true,
			Hooks: ratelimit.Hooks{
				Wait:    func(w ratelimit.Wait) { waits = append(waits, w.For) },
				Refused: func(e *ratelimit.Error) { refused = append(refused, *e) },
			},
		})
		begin := time.Now()
		at := send(t, l, rttest.NewScript(), "api.example.com", 6)
		require.Equal(t, make([]time.Duration, 6), at)
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, waits)
		require.Len(t, refused, 2)
		require.Equal(t, ratelimit.Error{Key: "https://api.example.com", Reason: ratelimit.WaitTooLong, Wait: 4 * time.Second}, refused[1])

		waits, refused = nil, nil
		time.Sleep(10 * time.Second)
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "2"}}, rttest.Step{})
		send(t, l, s, "api.example.com", 2)
		require.Equal(t, []time.Duration{2 * time.Second}, waits)
		require.Equal(t, 10*time.Second, time.Since(begin))

		waits = nil
		time.Sleep(10 * time.Second)
		var bodies []*http.Response
		for range 6 {
			resp, err := l.Wrap(rttest.NewScript(rttest.Step{Body: "answer"})).RoundTrip(newRequest(t, "api.example.com"))
			require.NoError(t, err)
			bodies = append(bodies, resp)
			time.Sleep(time.Second)
		}
		require.Len(t, waits, 2, "for a slot")
		require.Equal(t, 6, l.Snapshot()[0].InFlight)
		for _, resp := range bodies {
			require.NoError(t, resp.Body.Close())
		}
		require.Zero(t, l.Snapshot()[0].InFlight)
	})
}

// A hook that panics leaves nothing under way.
func TestShadowHookPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boom := func(ratelimit.Wait) { panic("hook") }
		l := newLimiter(t, ratelimit.Config{Rate: 1, MaxInFlight: 9, Shadow: true, Hooks: ratelimit.Hooks{Wait: boom}})
		for i := range 4 {
			call := func() { _ = l.Do(t.Context(), "key", func(context.Context) error { return nil }) }
			if i == 0 {
				call()
				continue
			}
			require.PanicsWithValue(t, "hook", call)
		}
		s := l.Snapshot()[0]
		require.Zero(t, s.InFlight)
		require.Zero(t, s.Tokens, "of one that went")
	})
}

// Whatever keys come, no more than MaxKeys are remembered.
func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Rate: 1, MaxKeys: 100, AdaptiveRate: true, AdaptiveConcurrency: true})
	for i := range 2_000 {
		require.NoError(t, l.Do(t.Context(), strconv.Itoa(i), func(context.Context) error { return nil }))
	}
	require.Len(t, l.Snapshot(), 100)
}
