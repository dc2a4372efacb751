package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func newRequest(t testing.TB, host string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v1/things", nil)
	require.NoError(t, err)
	return req
}

// send sends n requests to host one after the other and returns when they were
// sent, counted from the first.
func send(t *testing.T, l *ratelimit.Limiter, s *rttest.Script, host string, n int) []time.Duration {
	t.Helper()
	rt := l.Wrap(s)
	seen := len(s.Calls())
	for range n {
		resp, err := rt.RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	return sent(s.Calls()[seen:])
}

func sent(calls []rttest.Call) []time.Duration {
	var at []time.Duration
	for _, c := range calls {
		at = append(at, c.At.Sub(calls[0].At))
	}
	return at
}

const ms = time.Millisecond

func TestBucket(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config ratelimit.Config
		want   []time.Duration
	}{
		"one at a time":                    {ratelimit.Config{Rate: 10, Burst: 1}, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
		"burst, then the rate":             {ratelimit.Config{Rate: 10, Burst: 3}, []time.Duration{0, 0, 0, 100 * ms}},
		"default burst of a slow bucket":   {ratelimit.Config{Rate: 5}, []time.Duration{0, 200 * ms, 400 * ms, 600 * ms}},
		"default burst of a faster bucket": {ratelimit.Config{Rate: 20}, []time.Duration{0, 0, 50 * ms, 100 * ms}},
		"no rate":                          {ratelimit.Config{}, []time.Duration{0, 0, 0, 0}},
		"infinite rate":                    {ratelimit.Config{Rate: rate.Inf}, []time.Duration{0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, tt.want, send(t, newLimiter(t, tt.config), rttest.NewScript(), "api.example.com", 4))
			})
		})
	}
}

func TestKeysDoNotShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 1}), rttest.NewScript()
		begin := time.Now()
		send(t, l, s, "a.example.com", 1)
		send(t, l, s, "b.example.com", 1)
		require.Zero(t, time.Since(begin))
		send(t, l, s, "A.example.com:443", 1)
		require.Equal(t, time.Second, time.Since(begin), "the same origin, spelt otherwise")

		shared := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 1, Key: func(*http.Request) string { return "all" }})
		send(t, shared, s, "a.example.com", 1)
		begin = time.Now()
		send(t, shared, s, "b.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

func TestRefusesAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config   ratelimit.Config
		deadline time.Duration // 0: none
		reason   ratelimit.Reason
		wait     time.Duration
	}{
		"deadline too close": {ratelimit.Config{Rate: 1}, 900 * ms, ratelimit.DeadlineTooClose, time.Second},
		"deadline just then": {ratelimit.Config{Rate: 1}, time.Second, ratelimit.DeadlineTooClose, time.Second},
		"MaxWait":            {ratelimit.Config{Rate: 1, MaxWait: 999 * ms}, 0, ratelimit.WaitTooLong, time.Second},
		"never waits":        {ratelimit.Config{Rate: 0.1, MaxWait: -1}, time.Hour, ratelimit.WaitTooLong, 10 * time.Second},
		"both, deadline":     {ratelimit.Config{Rate: 1, MaxWait: 500 * ms}, 400 * ms, ratelimit.DeadlineTooClose, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var refused []*ratelimit.Error
				tt.config.Hooks.Refused = func(e *ratelimit.Error) { refused = append(refused, e) }
				l, s := newLimiter(t, tt.config), rttest.NewScript()
				send(t, l, s, "api.example.com", 1)
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				begin := time.Now()
				_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
				require.Zero(t, time.Since(begin))
				require.Len(t, s.Calls(), 1)
				var e *ratelimit.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, &ratelimit.Error{Key: "https://api.example.com", Reason: tt.reason, Wait: tt.wait}, e)
				require.Equal(t, []*ratelimit.Error{e}, refused)
				require.ErrorIs(t, err, ratelimit.ErrLimited)
				require.Equal(t, tt.reason == ratelimit.DeadlineTooClose, errors.Is(err, context.DeadlineExceeded))
				require.Equal(t, tt.reason == ratelimit.DeadlineTooClose, e.Timeout())
				require.True(t, e.NotSent())
				require.True(t, e.Retryable())
				require.Equal(t, tt.wait, e.RetryAfter())

				// The refusal has cost nothing: the next one waits as long as it said.
				if tt.config.MaxWait == 0 {
					send(t, l, s, "api.example.com", 1)
					require.Equal(t, tt.wait, time.Since(begin))
				}
			})
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	e := &ratelimit.Error{Key: "https://api.example.com", Reason: ratelimit.DeadlineTooClose, Wait: 1500*ms + 1}
	require.EqualError(t, e, "ratelimit: https://api.example.com: next turn in 1.5s, too late for the deadline")
	require.Equal(t, "longer than may be waited", ratelimit.WaitTooLong.String())
	require.Equal(t, "unknown", ratelimit.Reason(0).String())
}

func TestRefusalShowsThroughClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 0.1})
		client := &http.Client{Transport: l.Wrap(rttest.NewScript()), Timeout: time.Second}
		var err error
		for range 2 {
			var resp *http.Response
			if resp, err = client.Do(newRequest(t, "api.example.com")); err == nil {
				_ = resp.Body.Close()
			}
		}
		var e *url.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Timeout())
		require.ErrorIs(t, err, ratelimit.ErrLimited)
	})
}

func (throttled) Error() string               { return "throttled" }
func (e throttled) RetryAfter() time.Duration { return time.Duration(e) }

func (notSent) Error() string   { return "refused below" }
func (e notSent) NotSent() bool { return bool(e) }

func TestWaitHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []ratelimit.Wait
		l := newLimiter(t, ratelimit.Config{Rate: 1, Hooks: ratelimit.Hooks{
			Wait: func(w ratelimit.Wait) { told = append(told, w) },
		}})
		send(t, l, rttest.NewScript(), "api.example.com", 2)
		require.Equal(t, []ratelimit.Wait{{Key: "https://api.example.com", For: time.Second}}, told)
	})
}

func TestManyCallersKeepTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 50, Burst: 5}), rttest.NewScript(rttest.Step{Wait: 30 * ms})
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%10 == 9 {
					time.AfterFunc(time.Duration(i)*ms, cancel)
				}
				resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		at := sent(s.Calls())
		require.GreaterOrEqual(t, len(at), 180)
		for i := range at {
			for j := i + 1; j < len(at); j++ {
				// Rounding to nanoseconds may cost one of them.
				allowed := 5 + 50*(at[j]-at[i]+1).Seconds()
				require.LessOrEqual(t, float64(j-i+1), allowed+1e-6)
			}
		}
	})
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	_, err := ratelimit.New(ratelimit.Config{Rate: rate.Limit(math.NaN()), Burst: -1, MaxKeys: -2, MaxQueue: -3, MaxInFlight: -4})
	require.EqualError(t, err, strings.Join([]string{
		"ratelimit: Config.Rate is NaN: must be a number that is not negative",
		"ratelimit: Config.Burst is -1: must be between 0 and 2^30",
		"ratelimit: Config.MaxQueue is -3: must not be negative",
		"ratelimit: Config.MaxInFlight is -4: must not be negative",
		"ratelimit: Config.MaxKeys is -2: must not be negative",
	}, "\n"))
	_, err = ratelimit.New(ratelimit.Config{Rate: -1})
	require.Error(t, err)
	_, err = ratelimit.New(ratelimit.Config{Pace: 3, Reserve: 1, Dialect: ratelimit.Custom{RetryAfter: "no name"}})
	require.EqualError(t, err, strings.Join([]string{
		"ratelimit: Config.Pace is 3: must be Threshold, Spread or Burst",
		"ratelimit: Config.Reserve is 1: must be at least 0 and below 1",
		`ratelimit: Custom.RetryAfter: "no name" is not a field name`,
	}, "\n"))
	_, err = ratelimit.New(ratelimit.Config{Reserve: math.NaN()})
	require.Error(t, err)
}

func TestExtremeConfigsWork(t *testing.T) {
	t.Parallel()
	for _, c := range []ratelimit.Config{
		{Rate: rate.Limit(math.MaxFloat64)},
		{Rate: rate.Limit(math.SmallestNonzeroFloat64), MaxWait: -1},
		{Rate: math.MaxFloat64, Burst: 1 << 30, IdleTimeout: -1},
		{Rate: 1e-300, Burst: 1 << 30},
		{MaxKeys: 1},
		{Rate: math.MaxFloat64, AdaptiveRate: true, AdaptiveConcurrency: true, MaxInFlight: math.MaxInt, Lease: math.MaxInt64},
		{Rate: 1, MaxWait: math.MaxInt64, MaxQueue: math.MaxInt},
	} {
		resp, err := newLimiter(t, c).Wrap(rttest.NewScript()).RoundTrip(newRequest(t, "api.example.com"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
}

func TestNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newLimiter(t, ratelimit.Config{}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func TestHappyPathAllocatesNothing(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newLimiter(t, ratelimit.Config{Rate: 1e9, Burst: 1 << 30}).Wrap(next)
	req := newRequest(t, "api.example.com")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(req) }))
}

// A bucket that was waited for has been used until the end of the wait.
func TestBucketIsNotForgottenTooSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1.0 / 60, Burst: 1, IdleTimeout: time.Second}), rttest.NewScript()
		send(t, l, s, "a.example.com", 2)
		time.Sleep(5 * time.Second)
		send(t, l, s, "b.example.com", 1)
		send(t, l, s, "a.example.com", 1)
		require.Equal(t, []time.Duration{0, time.Minute, 65 * time.Second, 2 * time.Minute}, sent(s.Calls()))
	})
}

// Many goroutines that read the clock at once do not fill the bucket twice.
func TestTimesStayInOrder(t *testing.T) {
	t.Parallel()
	const rate, burst = 20_000, 2_000
	l := newLimiter(t, ratelimit.Config{Rate: rate, Burst: burst, MaxWait: -1})
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	rt := l.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil }))
	begin := time.Now()
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			req := newRequest(t, "api.example.com")
			for range 1_000 {
				if _, err := rt.RoundTrip(req); err == nil {
					sent.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, float64(sent.Load()), burst+rate*time.Since(begin).Seconds()+1)
}
