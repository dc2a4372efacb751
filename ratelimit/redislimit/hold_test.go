package redislimit_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

// One replica's 429 stops all.
func TestHoldStopsAll(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*testing.T, *redislimit.Limiter){
		"429": func(t *testing.T, l *redislimit.Limiter) {
			resp, err := l.Wrap(rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "30"}})).RoundTrip(newRequest(t))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		},
		"503": func(t *testing.T, l *redislimit.Limiter) {
			resp, err := l.Wrap(rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", "30"}})).RoundTrip(newRequest(t))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		},
		"Hold": func(_ *testing.T, l *redislimit.Limiter) {
			l.Hold("https://api.example.com", 30*time.Second)
			l.Hold("https://api.example.com", time.Second) // shortens nothing
		},
		"Publish": func(_ *testing.T, l *redislimit.Limiter) { l.Publish("https://api.example.com", 0, 30*time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				c := redislimit.Config{Rate: 10, Burst: 40}
				a, b := newLimiter(t, f, c), newLimiter(t, f, c)
				turns(t, a, "https://api.example.com", 5)
				hold(t, a)
				synctest.Wait()
				require.Equal(t, 30*time.Second, turns(t, b, "https://api.example.com", 1)[0])
				require.LessOrEqual(t, turns(t, a, "https://api.example.com", 1)[0], 100*ms)

				// They go on at the rate, not with the burst that would be due.
				require.GreaterOrEqual(t, turns(t, b, "https://api.example.com", 10)[9], 900*ms)
			})
		})
	}
}

func TestHeldRequestsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 10, Burst: 40}
		a, b := newLimiter(t, f, c), newLimiter(t, f, c)
		a.Hold("key", time.Minute)
		require.Equal(t, time.Now().Add(time.Minute), a.Snapshot().Buckets[0].HeldUntil)
		synctest.Wait()
		for _, l := range []*redislimit.Limiter{a, b, a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			var e *redislimit.Error
			require.ErrorAs(t, l.Wait(ctx, "key"), &e)
			require.Equal(t, redislimit.DeadlineTooClose, e.Reason)
			require.Equal(t, time.Minute, e.Wait)
			cancel()
		}
	})
}

// A waiting request learns of a hold when it comes, and not at its turn.
func TestHoldReachesWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 1, Burst: 1})
		turns(t, l, "key", 1)
		time.AfterFunc(500*ms, func() { l.Hold("key", time.Minute) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, l.Wait(ctx, "key"), redislimit.ErrLimited)
		require.Equal(t, 500*ms, time.Since(begin))
	})
}

func TestMaxRetryAfter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit time.Duration
		want  time.Duration
	}{
		"default": {0, 10 * time.Minute},
		"cut":     {time.Second, time.Second},
		"off":     {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				c := redislimit.Config{Rate: 10, MaxRetryAfter: tt.limit}
				l := newLimiter(t, f, c)
				l.Hold("key", 1<<62)
				l.Publish("key", 0, 1<<62)
				synctest.Wait()
				require.Equal(t, tt.want, turns(t, newLimiter(t, f, c), "key", 1)[0])
			})
		})
	}
}

func TestCheckHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 10, Check: func(resp *http.Response) error {
			switch resp.Header.Get("Kind") {
			case "throttled":
				return &redislimit.Error{Wait: 7 * time.Second}
			case "bad":
				return errors.New("but not throttled for any time")
			}
			return nil
		}})
		rt := l.Wrap(rttest.NewScript(rttest.Step{Header: []string{"Kind", "throttled"}}, rttest.Step{Header: []string{"Kind", "bad"}}, rttest.Step{}))
		begin := time.Now()
		for _, want := range []time.Duration{0, 7 * time.Second, 7100 * ms} {
			resp, err := rt.RoundTrip(newRequest(t))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, time.Since(begin))
		}
	})
}

// What one replica reads in the headers binds all of them.
func TestPublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 100, Burst: 100}
		a, b := newLimiter(t, f, c), newLimiter(t, f, c)
		calls := f.count()
		a.Publish("key", 9, 20*time.Second)
		a.Publish("key", 7, 20*time.Second-300*ms) // the same window, later
		a.Publish("key", 8, 20*time.Second)        // an answer that was overtaken
		a.Publish("key", -1, 20*time.Second)
		a.Publish("key", 1, -1)
		require.Equal(t, calls, f.count(), "goes with the next lease")
		require.Equal(t, []time.Duration{0}, turns(t, a, "key", 1))
		require.Equal(t, make([]time.Duration, 6), turns(t, b, "key", 6))
		require.Equal(t, 20*time.Second, turns(t, b, "key", 1)[0].Round(time.Second))
	})
}
