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

// One caller's 429 stops everybody who uses the key, and nobody else.
func TestServerHoldsKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step   rttest.Step
		config ratelimit.Config
		want   time.Duration
	}{
		"429":                      {rttest.Step{Status: 429, Header: []string{"Retry-After", "3"}}, ratelimit.Config{}, 3 * time.Second},
		"503":                      {rttest.Step{Status: 503, Header: []string{"Retry-After", "3"}}, ratelimit.Config{}, 3 * time.Second},
		"date":                     {rttest.Step{Status: 429, Header: []string{"Retry-After", "Sat, 01 Jan 2000 00:00:03 GMT"}}, ratelimit.Config{}, 3 * time.Second},
		"under a rate":             {rttest.Step{Status: 429, Header: []string{"Retry-After", "3"}}, ratelimit.Config{Rate: 100}, 3 * time.Second},
		"capped":                   {rttest.Step{Status: 429, Header: []string{"Retry-After", "9223372036854775807"}}, ratelimit.Config{}, ratelimit.DefaultMaxRetryAfter},
		"capped by me":             {rttest.Step{Status: 429, Header: []string{"Retry-After", "3600"}}, ratelimit.Config{MaxRetryAfter: time.Second}, time.Second},
		"no cap to speak of":       {rttest.Step{Status: 429, Header: []string{"Retry-After", "3600"}}, ratelimit.Config{MaxRetryAfter: math.MaxInt64}, time.Hour},
		"ignored":                  {rttest.Step{Status: 429, Header: []string{"Retry-After", "3"}}, ratelimit.Config{MaxRetryAfter: -1}, 0},
		"429 without a wish":       {rttest.Step{Status: 429}, ratelimit.Config{}, 0},
		"wish of zero":             {rttest.Step{Status: 429, Header: []string{"Retry-After", "0"}}, ratelimit.Config{}, 0},
		"negative":                 {rttest.Step{Status: 429, Header: []string{"Retry-After", "-3"}}, ratelimit.Config{}, 0},
		"404 with a wish":          {rttest.Step{Status: 404, Header: []string{"Retry-After", "3"}}, ratelimit.Config{}, 0},
		"200 that Check throttles": {rttest.Step{Header: []string{"X-Throttled", "1", "Retry-After", "3"}}, ratelimit.Config{Check: checkSays(errors.New("throttled"))}, 3 * time.Second},
		"wait from Check":          {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{Check: checkSays(throttled(4 * time.Second))}, 4 * time.Second},
		"wait from Check, capped":  {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{Check: checkSays(throttled(math.MaxInt64))}, ratelimit.DefaultMaxRetryAfter},
		"no wait from Check":       {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{Check: checkSays(throttled(-1))}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var holds []ratelimit.Hold
				tt.config.Hooks.Hold = func(h ratelimit.Hold) { holds = append(holds, h) }
				l, s := newLimiter(t, tt.config), rttest.NewScript(tt.step, rttest.Step{})
				send(t, l, s, "api.example.com", 1)
				if tt.want > 0 {
					status := max(tt.step.Status, 200)
					require.Equal(t, []ratelimit.Hold{{Key: "https://api.example.com", Status: status, For: tt.want}}, holds)
				} else {
					require.Empty(t, holds)
				}
				begin := time.Now()
				send(t, l, s, "other.example.com", 1)
				require.Zero(t, time.Since(begin), "another key is free")
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
						if err == nil {
							_ = resp.Body.Close()
						}
					})
				}
				wg.Wait()
				for _, c := range s.Calls()[2:] {
					require.GreaterOrEqual(t, c.At.Sub(begin), tt.want)
				}
			})
		})
	}
}

// checkSays is a Check that knows throttled answers by a header.
func checkSays(err error) func(*http.Response) error {
	return func(resp *http.Response) error {
		if resp.Header.Get("X-Throttled") == "" {
			return nil
		}
		return err
	}
}

// throttled is what a Check may say.
type throttled time.Duration

func (throttled) Error() string               { return "throttled" }
func (e throttled) RetryAfter() time.Duration { return time.Duration(e) }

// Those who were asleep when the key was held wait too, and do not all rush out
// when the hold is over.
func TestHoldStopsSleepers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 1})
		s := rttest.NewScript(rttest.Step{Wait: 50 * ms, Status: 429, Header: []string{"Retry-After", "10"}}, rttest.Step{})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		hold := 10*time.Second + 50*ms
		require.Equal(t, []time.Duration{0, hold, hold + 100*ms, hold + 200*ms, hold + 300*ms, hold + 400*ms}, sent(s.Calls()))
	})
}

// A shorter wish, or one that comes late, never shortens a hold.
func TestHoldIsNotShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		s := rttest.NewScript(
			rttest.Step{Wait: time.Second, Status: 429, Header: []string{"Retry-After", "60"}},
			rttest.Step{Wait: 2 * time.Second, Status: 429, Header: []string{"Retry-After", "1"}},
			rttest.Step{},
		)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, 61*time.Second, time.Since(begin))
	})
}

func TestHoldBeyondDeadlineRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "60"}}, rttest.Step{})
		send(t, l, s, "api.example.com", 1)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
		var e *ratelimit.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, time.Minute, e.Wait)
	})
}

func TestCancelledWaitGivesItsTurnBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1}), rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		begin := time.Now()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(300*ms, func() { cancel(gone) })
		_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
		require.Equal(t, gone, err)
		require.Equal(t, 300*ms, time.Since(begin))
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// notSent is what a circuit breaker below says.
type notSent bool

func (notSent) Error() string   { return "refused below" }
func (e notSent) NotSent() bool { return bool(e) }

func TestTokenOfUnsentRequestComesBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want time.Duration
	}{
		"not sent":     {notSent(true), 0},
		"wrapped":      {&url.Error{Err: notSent(true)}, 0},
		"perhaps sent": {errors.New("broken"), time.Second},
		"sent":         {notSent(false), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{Rate: 1})
				rt := l.Wrap(rttest.NewScript(rttest.Step{Err: tt.err}))
				begin := time.Now()
				for range 2 {
					_, err := rt.RoundTrip(newRequest(t, "api.example.com"))
					require.Equal(t, tt.err, err)
				}
				require.Equal(t, tt.want, time.Since(begin))
			})
		})
	}
}

// Tokens that come back never add up to more than a burst.
func TestGivenBackTokensStayWithinBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 2})
		refusing := l.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour, Err: notSent(true)}))
		_, err := refusing.RoundTrip(newRequest(t, "api.example.com"))
		require.Error(t, err)
		require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second}, send(t, l, rttest.NewScript(), "api.example.com", 4))
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := errors.New("open")
		answers := []error{nil, nil, open, open, nil}
		asked := 0
		l := newLimiter(t, ratelimit.Config{Rate: 1, Ready: func(req *http.Request) error {
			require.Equal(t, "api.example.com", req.URL.Host)
			asked++
			return answers[asked-1]
		}})
		s := rttest.NewScript()
		begin := time.Now()
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, 1, asked, "once when there was no wait")

		body := rttest.NewBody("payload")
		req := newRequest(t, "api.example.com")
		req.Body = body
		_, err := l.Wrap(s).RoundTrip(req)
		require.Equal(t, open, err, "refused at the head of the queue, as it is")
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, 3, asked, "before and after the wait")
		require.Equal(t, 1, body.Closes())

		_, err = l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
		require.Equal(t, open, err)
		require.Equal(t, time.Second, time.Since(begin), "refused before the wait")

		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin), "neither refusal has cost a token")
	})
}

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

// crowd sends n requests at once to api.example.com and waits for their end.
func crowd(t *testing.T, rt http.RoundTripper, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			resp, err := rt.RoundTrip(newRequest(t, "api.example.com"))
			if err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
}

// busiest is the largest number of times within a second.
func busiest(at []time.Duration) (most int) {
	for i := range at {
		n := 0
		for _, other := range at[i:] {
			if other-at[i] < time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// After a hold, and after a circuit that refused, the queue goes on at the rate.
func TestRateAfterInterruption(t *testing.T) {
	t.Parallel()
	t.Run("hold", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 1})
			s := rttest.NewScript(rttest.Step{}, rttest.Step{Status: 429, Header: []string{"Retry-After", "5"}}, rttest.Step{})
			crowd(t, l.Wrap(s), 100)
			require.Len(t, s.Calls(), 100)
			require.LessOrEqual(t, busiest(sent(s.Calls())), 11)
		})
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 1, Ready: func(*http.Request) error {
				if since := time.Since(begin); since > time.Second && since < 3*time.Second {
					return notSent(true)
				}
				return nil
			}})
			s := rttest.NewScript()
			crowd(t, l.Wrap(s), 200)
			require.LessOrEqual(t, busiest(sent(s.Calls())), 11)
		})
	})
}

// Whoever goes away leaves no hole.
func TestCancelledWaitersLeaveNoHole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1}), rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(500 * ms)
		cancel()
		wg.Wait()
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

func TestPanickingHookCostsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calm := false
		l := newLimiter(t, ratelimit.Config{Rate: 1, Hooks: ratelimit.Hooks{Wait: func(ratelimit.Wait) {
			if !calm {
				panic("hook")
			}
		}}})
		s := rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		for range 10 {
			require.Panics(t, func() { _, _ = l.Wrap(s).RoundTrip(newRequest(t, "api.example.com")) })
		}
		calm = true
		require.Equal(t, []time.Duration{0}, send(t, l, s, "api.example.com", 1))
		require.Equal(t, []time.Duration{0, time.Second}, sent(s.Calls()))
	})
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
			for range 2_000 {
				if _, err := rt.RoundTrip(req); err == nil {
					sent.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, float64(sent.Load()), burst+rate*time.Since(begin).Seconds()+1)
}
