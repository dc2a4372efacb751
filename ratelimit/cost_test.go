package ratelimit_test

import (
	"context"
	"errors"
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

// acquire waits for a permit and returns when it came.
func acquire(ctx context.Context, t *testing.T, l *ratelimit.Limiter) (*ratelimit.Permit, time.Time) {
	t.Helper()
	p, err := l.Acquire(ctx, "key")
	require.NoError(t, err)
	return p, time.Now()
}

func TestCost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		costs []int
		want  []time.Duration
	}{
		"within the burst":         {[]int{5, 5, 1}, []time.Duration{0, 0, 100 * ms}},
		"waits for all its tokens": {[]int{10, 8, 1}, []time.Duration{0, 800 * ms, 900 * ms}},
		"above the burst: a debt":  {[]int{30, 1}, []time.Duration{0, 2100 * ms}},
		"above it, in turn":        {[]int{1, 30, 1}, []time.Duration{0, 100 * ms, 2200 * ms}},
		"too little counts as 1":   {[]int{10, 0, -5}, []time.Duration{0, 100 * ms, 200 * ms}},
		"too much counts as 2^30":  {[]int{math.MaxInt, 1}, []time.Duration{0, (1<<30 - 9) * 100 * ms}},
		"the debt of a debt":       {[]int{20, 20, 1}, []time.Duration{0, 2 * time.Second, 3100 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 10})
				begin := time.Now()
				var got []time.Duration
				for _, cost := range tt.costs {
					_, at := acquire(ratelimit.WithCost(t.Context(), cost), t, l)
					got = append(got, at.Sub(begin))
				}
				for i := range got {
					require.InDelta(t, tt.want[i], got[i], 2, "nanoseconds")
				}
			})
		})
	}
}

// A costly call is not passed by cheap ones for ever.
func TestCostlyCallIsNotStarved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 10, Burst: 10})
		w.sends(ratelimit.WithCost(t.Context(), 8), "costly")
		for range 50 {
			w.sends(ratelimit.WithFlow(t.Context(), "cheap"), "cheap")
		}
		w.wg.Wait()
		require.LessOrEqual(t, w.at[8], 1700*ms)
		require.Contains(t, w.served[:9], "costly")
	})
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		actual float64
		config ratelimit.Config
		want   time.Duration // until the next call of cost 10
	}{
		"as charged":                {5, ratelimit.Config{}, 500 * ms},
		"less":                      {2, ratelimit.Config{}, 200 * ms},
		"nothing":                   {0, ratelimit.Config{}, 0},
		"more":                      {9, ratelimit.Config{}, 900 * ms},
		"a debt":                    {25, ratelimit.Config{}, 2500 * ms},
		"negative":                  {-1, ratelimit.Config{}, 500 * ms},
		"no number":                 {math.NaN(), ratelimit.Config{}, 500 * ms},
		"a hostile debt":            {math.Inf(1), ratelimit.Config{}, ratelimit.DefaultMaxRetryAfter + time.Second},
		"a hostile debt, less so":   {1e300, ratelimit.Config{MaxRetryAfter: 5 * time.Second}, 6 * time.Second},
		"a hostile debt, no wishes": {1e300, ratelimit.Config{MaxRetryAfter: -1}, ratelimit.DefaultMaxRetryAfter + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.config.Rate, tt.config.Burst = 10, 10
				l := newLimiter(t, tt.config)
				ctx := ratelimit.WithCost(t.Context(), 5)
				p, begin := acquire(ctx, t, l)
				p.Settle(tt.actual)
				p.Release(nil)
				_, at := acquire(ratelimit.WithCost(ctx, 10), t, l)
				require.InDelta(t, tt.want, at.Sub(begin), 2, "nanoseconds")

				// The same, reported by answers.
				tt.config.Cost = func(resp *http.Response) (float64, bool) {
					cost, err := strconv.ParseFloat(resp.Header.Get("X-Cost"), 64)
					return cost, err == nil
				}
				l = newLimiter(t, tt.config)
				s := rttest.NewScript(
					rttest.Step{Header: []string{"X-Cost", strconv.FormatFloat(tt.actual, 'g', -1, 64)}}, rttest.Step{})
				begin = time.Now()
				for _, cost := range []int{5, 10} {
					req := newRequest(t, "api.example.com")
					resp, err := l.Wrap(s).RoundTrip(req.WithContext(ratelimit.WithCost(req.Context(), cost)))
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
				}
				require.InDelta(t, tt.want, time.Since(begin), 2, "nanoseconds")
			})
		})
	}
}

// Fractions add up.
func TestSettleFractions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 100})
		for range 40 {
			p, _ := acquire(t.Context(), t, l)
			p.Settle(1.25)
		}
		require.InDelta(t, 50, l.Snapshot()[0].Tokens, 1e-9)
		for range 40 {
			p, _ := acquire(t.Context(), t, l)
			p.Settle(0.25)
		}
		require.InDelta(t, 40, l.Snapshot()[0].Tokens, 1e-9)
	})
}

// A settled debt is the same to those who wait already: some are too late now.
func TestSettleReplans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1})
		time.Sleep(time.Second)
		p, begin := acquire(t.Context(), t, w.limiter)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		w.sends(ctx, "late")
		w.sends(t.Context(), "patient")
		p.Settle(11)
		synctest.Wait()
		require.Equal(t, 11*time.Second, w.refused["late"].Wait)
		w.wg.Wait()
		require.Equal(t, 11*time.Second, time.Since(begin))
	})
}

func TestDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1})
		begin := time.Now()
		failure := errors.New("failure")
		for _, step := range []struct {
			err  error
			next time.Duration // when the call after this one goes
		}{
			{nil, time.Second},
			{notSent(true), time.Second},
			{failure, 2 * time.Second},
			{throttledFor(time.Minute), 62 * time.Second},
			{throttledFor(-time.Minute), 63 * time.Second},
			{notSent(false), 64 * time.Second},
		} {
			require.Equal(t, step.err, l.Do(t.Context(), "key", func(ctx context.Context) error {
				require.NoError(t, ctx.Err())
				return step.err
			}))
			s := l.Snapshot()[0]
			require.InDelta(t, step.next, s.NextSlot.Sub(begin), 2, "nanoseconds")
			time.Sleep(time.Until(s.NextSlot))
		}
		require.Panics(t, func() {
			_ = l.Do(t.Context(), "key", func(context.Context) error { panic("work") })
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		err := l.Do(ctx, "key", func(context.Context) error { panic("not called") })
		require.ErrorIs(t, err, ratelimit.ErrLimited)
	})
}

// Whoever settles and whoever releases need not know of each other.
func TestPermitOfManyHands(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 1000})
	for range 100 {
		p, _ := acquire(t.Context(), t, l)
		var wg sync.WaitGroup
		wg.Go(func() { p.Settle(1) })
		wg.Go(func() { p.Release(notSent(true)) })
		wg.Go(func() { p.Release(nil) })
		wg.Wait()
	}
	require.GreaterOrEqual(t, l.Snapshot()[0].Tokens, 900.0)
}
