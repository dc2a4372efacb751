package redislimit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

// Redis goes and comes back, with or without its memory. No request is lost,
// and the rate holds for all of the time.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]bool{"state kept": false, "state lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rate, burst, replicas = 200, 20, 4
				f := newFake()
				f.latency = ms
				var limiters []*redislimit.Limiter
				var degraded, recovered atomic.Int64
				for range replicas {
					limiters = append(limiters, newLimiter(t, f, redislimit.Config{Rate: rate, Burst: burst, Hooks: redislimit.Hooks{
						Degraded:  func(o redislimit.Outage) { degraded.Add(1); require.ErrorIs(t, o.Err, errDown) },
						Recovered: func(o redislimit.Outage) { recovered.Add(1); require.Greater(t, o.For, 2*time.Second) },
					}}))
				}
				var admitted ledger
				time.AfterFunc(3*time.Second, func() { f.set(true) })
				var before, during atomic.Int64
				time.AfterFunc(4*time.Second, func() { before.Store(int64(admitted.count())) })
				time.AfterFunc(6*time.Second, func() {
					during.Store(int64(admitted.count()) - before.Load())
					if lose {
						f.lose()
					}
					f.set(false)
				})
				require.Empty(t, crowd(t, limiters, 8, 12*time.Second, &admitted))
				time.Sleep(2 * time.Second)
				require.EqualValues(t, replicas, degraded.Load())
				require.EqualValues(t, replicas, recovered.Load())
				t.Logf("%d admitted, %d in 2s of outage, %d in the busiest second", admitted.count(), during.Load(), admitted.busiest(time.Second))
				require.InDelta(t, 2*rate*8/10, during.Load(), 10, "four fifths of the rate")
				require.LessOrEqual(t, admitted.busiest(time.Second), rate+burst+replicas*burst/4)
				require.GreaterOrEqual(t, admitted.count(), burst+rate*12-rate*6/4, "what the outage and the grace cost")
				for _, l := range limiters {
					require.False(t, l.Snapshot().Down)
					require.False(t, l.Snapshot().Buckets[0].Degraded)
				}
			})
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config redislimit.Config
		want   []time.Duration
	}{
		"local share":         {redislimit.Config{}, []time.Duration{50*ms + 125*ms, 50*ms + 250*ms, 50*ms + 375*ms}},
		"share of four":       {redislimit.Config{Replicas: 4}, []time.Duration{50*ms + 500*ms, 50*ms + time.Second, 50*ms + 1500*ms}},
		"share, long timeout": {redislimit.Config{Timeout: time.Second}, []time.Duration{1125 * ms, 1250 * ms, 1375 * ms}},
		"open":                {redislimit.Config{Mode: redislimit.FailOpen}, []time.Duration{50 * ms, 50 * ms, 50 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.hang = true
				tt.config.Rate, tt.config.Burst = 10, 10
				l := newLimiter(t, f, tt.config)
				require.Equal(t, tt.want, turns(t, l, "key", 3))
				s := l.Snapshot()
				require.True(t, s.Down)
				require.True(t, s.Buckets[0].Degraded)
				require.Positive(t, s.Buckets[0].Failures)
			})
		})
	}
}

func TestFailClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.down = true
		l := newLimiter(t, f, redislimit.Config{Rate: 10, Burst: 10, Mode: redislimit.FailClosed})
		refused := func() *redislimit.Error {
			var e *redislimit.Error
			require.ErrorAs(t, l.Wait(t.Context(), "key"), &e)
			return e
		}
		require.Equal(t, &redislimit.Error{Key: "key", Reason: redislimit.Unavailable, Wait: time.Second}, refused())
		require.NotErrorIs(t, refused(), context.DeadlineExceeded)
		time.Sleep(400 * ms)
		require.Equal(t, 600*ms, refused().Wait)
		require.Equal(t, 1, f.count())
		f.set(false)
		time.Sleep(600 * ms)
		require.Equal(t, redislimit.Unavailable, refused().Reason, "this one makes the probe")
		synctest.Wait()
		require.Equal(t, []time.Duration{0}, turns(t, l, "key", 1))
	})
}

// While Redis is down it is asked once a second, whatever the traffic, and by
// nobody when there is none.
func TestProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.down = true
		l := newLimiter(t, f, redislimit.Config{Rate: 1000, Mode: redislimit.FailOpen})
		for i := range 1000 {
			turns(t, l, string(rune('a'+i%20)), 1)
			time.Sleep(10 * ms)
		}
		require.InDelta(t, 10, f.count(), 1)
		calls := f.count()
		time.Sleep(time.Hour)
		require.Equal(t, calls, f.count())
	})
}

// Somebody who waits for a slow local slot is served as soon as Redis is back.
func TestWaiterProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.down = true
		l := newLimiter(t, f, redislimit.Config{Rate: 0.01, Burst: 2})
		time.AfterFunc(5500*ms, func() { f.set(false) })
		begin := time.Now()
		turns(t, l, "key", 1)
		require.Equal(t, 6*time.Second+1050*ms, time.Since(begin), "the next probe, and the grace")
	})
}

// The credit that has grown during an outage is not spent a second time, and an
// outage of this replica alone does not hold back the others.
func TestRejoinsWithoutCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 1, Burst: 100, Mode: redislimit.FailOpen}
		alone := c
		var cut atomic.Bool
		alone.Eval = func(ctx context.Context, script string, keys, args []string) (any, error) {
			if cut.Load() {
				return nil, errDown
			}
			return f.Eval(ctx, script, keys, args)
		}
		a, b := newLimiter(t, f, alone), newLimiter(t, f, c)
		turns(t, a, "key", 1)
		cut.Store(true)
		time.Sleep(time.Minute)
		turns(t, a, "key", 50) // open
		turns(t, b, "key", 1)
		cut.Store(false)
		time.Sleep(2 * time.Second)
		turns(t, a, "key", 1) // makes the probe
		synctest.Wait()
		require.False(t, a.Snapshot().Down)
		require.InDelta(t, float64(4*time.Second), float64(turns(t, a, "key", 4)[3]), float64(time.Second))
		require.InDelta(t, float64(time.Second), float64(turns(t, b, "key", 1)[0]), float64(time.Second))
	})
}

// An Eval that does not heed its context holds up nobody, and is not called
// again for the key before it has returned.
func TestEvalIgnoresContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		l := newLimiter(t, nil, redislimit.Config{Rate: 100, Eval: func(context.Context, string, []string, []string) (any, error) {
			calls.Add(1)
			time.Sleep(time.Minute)
			return []any{int64(1), int64(0), int64(1), int64(1), int64(0)}, nil
		}})
		require.Equal(t, 50*ms+12500*time.Microsecond, turns(t, l, "key", 1)[0])
		for range 20 {
			turns(t, l, "key", 1)
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, calls.Load())
		time.Sleep(2 * time.Minute)
		require.Zero(t, l.Snapshot().Buckets[0].Granted, "too late to be believed")
		time.Sleep(time.Hour)
	})
}

func TestEvalFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		eval func() (any, error)
		want string
	}{
		"error":   {func() (any, error) { return nil, errDown }, "redislimit: connection refused"},
		"panic":   {func() (any, error) { panic("oh") }, "redislimit: Eval panicked: oh"},
		"nil":     {func() (any, error) { return nil, nil }, "redislimit: unexpected reply: <nil>, not a list"},
		"partial": {func() (any, error) { return []any{int64(1)}, nil }, "redislimit: unexpected reply: a list of 1, not 5"},
		"strings": {func() (any, error) { return []any{"1", "0", "1", "1", "0"}, nil }, "redislimit: unexpected reply: slots: string, not an integer"},
		"huge n": {
			func() (any, error) { return []any{int64(1 << 60), int64(0), int64(1), int64(1), int64(0)}, nil },
			"redislimit: unexpected reply: slots: 1152921504606846976, not between 0 and 1",
		},
		"nothing, for no reason": {
			func() (any, error) { return []any{int64(0), int64(0), int64(1), int64(1), int64(0)}, nil },
			"redislimit: unexpected reply: 0 slots after a wait of 0, when 1 were asked for within 2592000000000",
		},
		"endless wait": {
			func() (any, error) { return []any{int64(0), int64(1 << 62), int64(1), int64(1), int64(0)}, nil },
			"redislimit: unexpected reply: wait: 4611686018427387904, not between -900000 and 2592000000000",
		},
		"more credit than there is": {
			func() (any, error) { return []any{int64(1), int64(-1 << 62), int64(1), int64(1), int64(0)}, nil },
			"redislimit: unexpected reply: wait: -4611686018427387904, not between -900000 and 2592000000000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var err error
				l := newLimiter(t, nil, redislimit.Config{
					Rate: 10, Burst: 10, Mode: redislimit.FailOpen,
					Eval:  func(context.Context, string, []string, []string) (any, error) { return tt.eval() },
					Hooks: redislimit.Hooks{Degraded: func(o redislimit.Outage) { err = o.Err }},
				})
				turns(t, l, "key", 2)
				require.EqualError(t, err, tt.want)
				if name == "nil" {
					_, ok := errors.AsType[*redislimit.ReplyError](err)
					require.True(t, ok)
				}
			})
		})
	}
}

// Package ratelimit around this one obeys the headers of upstreams, with Redis and
// without.
func TestHeadersAreObeyedWithoutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set(true)
		shared := newLimiter(t, f, redislimit.Config{Rate: 100, Mode: redislimit.FailOpen})
		paced, err := ratelimit.New(ratelimit.Config{})
		require.NoError(t, err)
		s := rttest.NewScript(rttest.Step{Header: []string{"RateLimit", `"p";r=0;t=30`}}, rttest.Step{})
		rt := paced.Wrap(shared.Wrap(s))
		begin := time.Now()
		for range 2 {
			resp, err := rt.RoundTrip(newRequest(t))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.InDelta(t, 31, time.Since(begin).Seconds(), 1)
		require.True(t, shared.Snapshot().Down)
	})
}
