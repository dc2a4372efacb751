package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// tells is what an answer in the shape of the IETF's drafts 04 to 06 says.
func tells(limit, remaining, reset int) rttest.Step {
	return rttest.Step{Header: []string{
		"RateLimit-Limit", strconv.Itoa(limit), "RateLimit-Remaining", strconv.Itoa(remaining), "RateLimit-Reset", strconv.Itoa(reset),
	}}
}

func with(s rttest.Step, status int, header ...string) rttest.Step {
	s.Status, s.Header = status, append(slices.Clip(s.Header), header...)
	return s
}

// get sends one request and returns how long it took, and its error.
func get(t *testing.T, l *ratelimit.Limiter, s http.RoundTripper, url string) (time.Duration, error) {
	t.Helper()
	begin := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := l.Wrap(s).RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	return time.Since(begin), err
}

const api = "https://api.example.com/"

// took is get of a request that is answered.
func took(t *testing.T, l *ratelimit.Limiter, s http.RoundTripper, url string) time.Duration {
	t.Helper()
	d, err := get(t, l, s, url)
	require.NoError(t, err)
	return d
}

func TestQuotaThatIsSpentIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]rttest.Step{
		"remaining 0 of a 200": tells(100, 0, 30),
		"and of a 429":         with(tells(100, 0, 30), 429),
		"draft 10":             {Header: []string{"RateLimit-Policy", `"p";q=100;w=60`, "RateLimit", `"p";r=0;t=30`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{})
				s := rttest.NewScript(step, rttest.Step{})
				require.Zero(t, took(t, l, s, api))
				require.InDelta(t, 31.25, took(t, l, s, api).Seconds(), 0.3, "the reset and a guard")
			})
		})
	}
}

func TestWhatIsIgnored(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step   rttest.Step
		config ratelimit.Config
	}{
		"an answer out of a cache":       {with(tells(100, 0, 30), 200, "Age", "300"), ratelimit.Config{}},
		"a redirect with nothing left":   {with(tells(100, 0, 30), 302, "Location", "/"), ratelimit.Config{}},
		"quotas, on demand":              {tells(100, 0, 30), ratelimit.Config{IgnoreQuotas: true}},
		"another dialect":                {tells(100, 0, 30), ratelimit.Config{Dialect: ratelimit.Twitter}},
		"trailers":                       {rttest.Step{Trailer: "0"}, ratelimit.Config{}},
		"calls under way":                {rttest.Step{Header: []string{"RateLimit-Policy", `"p";q=1;qu="concurrent-requests"`, "RateLimit", `"p";r=0;t=30`}}, ratelimit.Config{}},
		"throttles, on demand":           {rttest.Step{Status: 429, Header: []string{"Retry-After", "30"}}, ratelimit.Config{MaxRetryAfter: -1}},
		"malformed fields":               {rttest.Step{Header: []string{"RateLimit-Limit", "many", "RateLimit-Remaining", "-1", "RateLimit-Reset", "NaN"}}, ratelimit.Config{}},
		"a 404 with a wish":              {rttest.Step{Status: 404, Header: []string{"Retry-After", "30"}}, ratelimit.Config{}},
		"a 403 without evidence":         {rttest.Step{Status: 403}, ratelimit.Config{}},
		"a 503 without a wish":           {rttest.Step{Status: 503}, ratelimit.Config{}},
		"a wish to be left alone of a 0": {rttest.Step{Status: 503, Header: []string{"Retry-After", "soon"}}, ratelimit.Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tt.config)
				s := rttest.NewScript(tt.step, rttest.Step{})
				require.Zero(t, took(t, l, s, api))
				require.Zero(t, took(t, l, s, api))
			})
		})
	}
}

func TestThrottlesByPredicate(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]rttest.Step{
		"429":                     {Status: 429, Header: []string{"Retry-After", "60"}},
		"503 that asks":           {Status: 503, Header: []string{"Retry-After", "60"}},
		"529":                     {Status: 529, Header: []string{"Retry-After", "60"}},
		"403 with nothing left":   with(tells(100, 0, 58), 403),
		"403 that says why":       {Status: 403, Header: []string{"Content-Type", "application/json"}, Body: `{"message":"You have exceeded a secondary rate limit."}`},
		"429 with something left": {Status: 429, Header: []string{"RateLimit-Limit", "600", "RateLimit-Remaining", "595", "RateLimit-Reset", "1", "Retry-After", "60"}},
		"a wish in the body":      {Status: 429, Header: []string{"Content-Type", "application/json"}, Body: `{"retry_after": 60}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{})
				s := rttest.NewScript(step, rttest.Step{})
				require.Zero(t, took(t, l, s, api))
				require.InDelta(t, 60, took(t, l, s, api).Seconds(), 1)
			})
		})
	}
}

// Which of several policies refused is known only from the body of the problem
// (RFC 9457, and the draft of the IETF): its reset is the one to wait for.
func TestViolatedPolicyIsWaitedFor(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]time.Duration{"burst": 30 * time.Second, "daily": 5 * time.Minute} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{})
				s := rttest.NewScript(rttest.Step{
					Status: 429,
					Header: []string{
						"Content-Type", "application/problem+json",
						"RateLimit-Policy", `"daily";q=1000;w=86400, "burst";q=100;w=60`,
						"RateLimit", `"daily";r=500;t=300, "burst";r=3;t=30`,
					},
					Body: `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","violated-policies":["` + policy + `"]}`,
				}, rttest.Step{})
				took(t, l, s, api)
				require.InDelta(t, want.Seconds(), took(t, l, s, api).Seconds(), 1)
			})
		})
	}
}

func TestReserveIsForInteractive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst, Reserve: 0.5})
		s := rttest.NewScript(tells(100, 40, 30), rttest.Step{})
		took(t, l, s, api)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { took(t, l, s, api) })
		}
		synctest.Wait()
		time.Sleep(time.Second)
		ctx := ratelimit.WithPriority(t.Context(), ratelimit.Interactive)
		resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, time.Second, time.Since(begin), "before those who wait")
		wg.Wait()
		require.Greater(t, time.Since(begin), 30*time.Second)
	})
}

func TestUnits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		s := rttest.NewScript(rttest.Step{Header: []string{
			"x-ratelimit-limit-requests", "60", "x-ratelimit-remaining-requests", "59", "x-ratelimit-reset-requests", "1s",
			"x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-tokens", "1000", "x-ratelimit-reset-tokens", "1m0s",
		}}, rttest.Step{})
		took(t, l, s, api)
		call := func(ctx context.Context) time.Duration {
			begin := time.Now()
			resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return time.Since(begin)
		}
		require.Zero(t, call(ratelimit.WithUnits(t.Context(), ratelimit.Tokens, 900)))
		require.Zero(t, call(ratelimit.WithUnits(t.Context(), ratelimit.Requests, 1e9)), "of no effect")
		require.Zero(t, call(ratelimit.WithUnits(t.Context(), ratelimit.Tokens, math.NaN())), "nor this")
		require.Greater(t, call(ratelimit.WithUnits(t.Context(), ratelimit.Tokens, 900)), time.Minute)
	})
}

// What a call has cost in the server's measure settles what was charged for it
// in that measure, and nothing else.
func TestCostFromTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 100})
		s := rttest.NewScript(rttest.Step{Header: []string{"X-Complexity", "30"}})
		took(t, l, s, api)
		require.InDelta(t, 99, l.Snapshot()[0].Tokens, 1e-9)
		resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ratelimit.WithCost(t.Context(), 50)))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.InDelta(t, 69, l.Snapshot()[0].Tokens, 1e-9)
	})
}

func TestProbeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{ProbeFirst: true})
		s := rttest.NewScript(rttest.Step{Wait: 300 * ms})
		crowd(t, l.Wrap(s), 10)
		require.Equal(t, []time.Duration{0, 300 * ms, 300 * ms}, sent(s.Calls())[:3])
	})
}

// Work that is no request counts as answered when it is released: the others do not
// go one after the other for ever.
func TestProbeFirstOfOtherWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{ProbeFirst: true})
		begin := time.Now()
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_ = l.Do(t.Context(), "key", func(context.Context) error {
					time.Sleep(100 * ms)
					return errors.New("failure")
				})
			})
		}
		wg.Wait()
		require.Equal(t, 200*ms, time.Since(begin))
	})
}

// A server that has never said anything is still listened to now and then.
func TestSilentServerThatBeginsToSpeak(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		send(t, l, rttest.NewScript(), "api.example.com", 1000)
		require.Nil(t, l.Snapshot()[0].Server)
		send(t, l, rttest.NewScript(tells(100, 50, 60)), "api.example.com", 64)
		require.NotNil(t, l.Snapshot()[0].Server)
	})
}

func TestPlanAndMalformedHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var plans []ratelimit.PlanChange
		var malformed []ratelimit.Malformed
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Spread, Hooks: ratelimit.Hooks{
			Plan:      func(c ratelimit.PlanChange) { plans = append(plans, c) },
			Malformed: func(m ratelimit.Malformed) { malformed = append(malformed, m) },
		}})
		bad := rttest.Step{Header: []string{"RateLimit-Limit", "secret?"}}
		s := rttest.NewScript(bad, tells(100, 50, 60), tells(100, 49, 60), tells(100, 0, 60))
		for range 4 {
			took(t, l, s, api)
			time.Sleep(2 * time.Second)
		}
		require.Equal(t, []ratelimit.Malformed{{Key: "https://api.example.com", Fields: []string{"Ratelimit-Limit"}}}, malformed)
		require.Len(t, plans, 2)
		require.InDelta(t, 50.0/60, plans[0].Rate, 0.1)
		require.Zero(t, plans[0].Pause)
		require.InDelta(t, 60, plans[1].Pause.Seconds(), 2)
	})
}

// A 503 with Retry-After is trouble and no limit: each holds the key for as long
// as it asks, however many come in a row, and then all may go at the rate.
func TestTroubleHoldsWithoutBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = 8
		var holds []time.Duration
		steps := make([]rttest.Step, outage)
		for i := range steps {
			steps[i] = rttest.Step{Status: 503, Header: []string{"Retry-After", "1"}}
		}
		s := rttest.NewScript(append(steps, rttest.Step{Wait: ms})...)
		l := newLimiter(t, ratelimit.Config{Rate: 1000, Burst: 10, Hooks: ratelimit.Hooks{
			Hold: func(h ratelimit.Hold) { holds = append(holds, h.For) },
		}})
		send(t, l, s, "api.example.com", outage)
		require.Equal(t, slices.Repeat([]time.Duration{time.Second}, outage), holds)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		require.Equal(t, time.Second+11*ms, time.Since(begin), "ten at once, the others at the rate")
	})
}

// Refusals that say nothing hold the key for longer each time, but not for longer
// than eight seconds while something is served between them. A rate a little above
// the server's limit would come to a standstill otherwise.
func TestThrottlesNowAndThenDoNotGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var holds []time.Duration
		var steps []rttest.Step
		for range 12 {
			steps = append(steps, rttest.Step{Status: 429}, rttest.Step{})
		}
		l := newLimiter(t, ratelimit.Config{Rate: 1000, Hooks: ratelimit.Hooks{
			Hold: func(h ratelimit.Hold) { holds = append(holds, h.For) },
		}})
		send(t, l, rttest.NewScript(steps...), "api.example.com", len(steps))
		require.Len(t, holds, 12)
		for _, hold := range holds {
			require.LessOrEqual(t, hold, 8*time.Second)
		}
	})
}
