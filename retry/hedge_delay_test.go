package retry_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// spend sends n GET requests for path and returns how many extra copies they
// took, when each copy takes the time that wait says.
func spend(t *testing.T, h *retry.Hedge, n int, path string, wait func() time.Duration) int {
	t.Helper()
	var copies atomic.Int64
	rt := h.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		copies.Add(1)
		return rttest.NewScript(rttest.Step{Wait: wait()}).RoundTrip(req)
	}))
	for range n {
		req := newRequest(t, http.MethodGet, nil)
		req.URL.Path = path
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	synctest.Wait()
	return int(copies.Load()) - n
}

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// learn makes calls that take 1, 2, … 100 ms, in random order.
func learn(t *testing.T, h *retry.Hedge, path string) {
	t.Helper()
	for _, i := range rand.Perm(100) {
		spend(t, h, 1, path, fixed(time.Duration(i+1)*ms))
	}
}

// delayOf returns after what time h sends the second copy of a request for path
// that gets no answer; an hour if it never does.
func delayOf(t *testing.T, h *retry.Hedge, path string) time.Duration {
	t.Helper()
	begin := time.Now()
	var copies atomic.Int64
	spend(t, h, 1, path, func() time.Duration {
		if copies.Add(1) == 1 {
			return time.Hour
		}
		return 0
	})
	return time.Since(begin)
}

// about checks a delay that a histogram gave.
func about(t *testing.T, want, got time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, got, want)
	require.LessOrEqual(t, got, want+want/8+time.Microsecond)
}

func TestHedgePercentile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config retry.HedgeConfig
		want   time.Duration
	}{
		"median":      {retry.HedgeConfig{Percentile: 0.5}, 50 * ms},
		"p90":         {retry.HedgeConfig{Percentile: 0.9, Delay: time.Minute}, 90 * ms},
		"p99":         {retry.HedgeConfig{Percentile: 0.99}, 99 * ms},
		"longest":     {retry.HedgeConfig{Percentile: 0.9999}, 100 * ms},
		"shortest":    {retry.HedgeConfig{Percentile: 0.0001}, ms},
		"zero config": {retry.HedgeConfig{}, 95 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHedge(t, tt.config)
				learn(t, h, "/")
				about(t, tt.want, delayOf(t, h, "/"))
			})
		})
	}
}

func TestHedgePercentileOfAnyTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for d := time.Microsecond; d < 2*time.Minute; d += d/7 + 1 {
			h := newHedge(t, retry.HedgeConfig{Percentile: 0.5})
			spend(t, h, 20, "/", fixed(d))
			about(t, d, delayOf(t, h, "/"))
		}
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.5})
		spend(t, h, 20, "/", fixed(10*time.Minute))
		require.Equal(t, 1<<27*time.Microsecond, delayOf(t, h, "/"), "there is an end to it")
	})
}

// Until there are enough samples Delay counts.
func TestHedgeDelayBeforePercentile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{0, 70 * ms} {
			h := newHedge(t, retry.HedgeConfig{Percentile: 0.5, Delay: delay})
			spend(t, h, 18, "/", fixed(10*ms))
			if delay == 0 {
				delay = time.Hour
			}
			require.Equal(t, delay, delayOf(t, h, "/"))
			spend(t, h, 1, "/", fixed(10*ms))
			about(t, 10*ms, delayOf(t, h, "/"))
		}
	})
}

// What does not end with an acceptable answer is no sample.
func TestHedgeSamples(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.5})
		spend(t, h, 20, "/", fixed(10*ms))
		for _, step := range []rttest.Step{{Err: errBroken}, {Status: 503}} {
			step.Wait = ms
			for range 50 {
				resp, err := h.Wrap(rttest.NewScript(step)).RoundTrip(newRequest(t, "GET", nil))
				require.Equal(t, step.Err, err)
				if err == nil {
					require.NoError(t, resp.Body.Close())
				}
			}
		}
		about(t, 10*ms, delayOf(t, h, "/"))
	})
}

// Old times are forgotten, after 512 new ones at the latest.
func TestHedgePercentileFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.01})
		for _, d := range []time.Duration{100 * ms, time.Second, 10 * ms} {
			spend(t, h, 512, "/", fixed(d))
			about(t, d, delayOf(t, h, "/"))
		}
	})
}

func TestHedgePercentilePerKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.5, Key: func(req *http.Request) string { return req.URL.Path }})
		spend(t, h, 50, "/a", fixed(10*ms))
		spend(t, h, 50, "/b", fixed(100*ms))
		about(t, 10*ms, delayOf(t, h, "/a"))
		about(t, 100*ms, delayOf(t, h, "/b"))
		require.Equal(t, time.Hour, delayOf(t, h, "/c"))

		h = newHedge(t, retry.HedgeConfig{Percentile: 0.5})
		spend(t, h, 50, "/a", fixed(10*ms))
		about(t, 10*ms, delayOf(t, h, "/b"))
	})
}

func TestHedgeMaxKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.5, MaxKeys: 1, Key: func(req *http.Request) string { return req.URL.Path }})
		spend(t, h, 50, "/a", fixed(10*ms))
		spend(t, h, 50, "/b", fixed(10*ms))
		require.Equal(t, time.Hour, delayOf(t, h, "/a"), "there is room for one")
	})
}

// Slow first copies that are cut off by a faster second one are still counted
// as slow, else the delay would shrink with each hedge, down to nothing.
func TestHedgePercentileIsStable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		h := newHedge(t, retry.HedgeConfig{Percentile: 0.5})
		var mu sync.Mutex
		wait := func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return 5*ms + time.Duration(random.ExpFloat64()*float64(20*ms))
		}
		spend(t, h, 1000, "/", wait)
		extra := spend(t, h, 5000, "/", wait)
		require.Greater(t, extra, 2000)
		require.Less(t, extra, 2700, "about half of the calls have an extra copy")
	})
}

func TestHedgeBudget(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config retry.BudgetConfig
		want   int
	}{
		"nothing":      {retry.BudgetConfig{Ratio: -1, MinPerSecond: -1}, 0},
		"a tenth":      {retry.BudgetConfig{MinPerSecond: -1, Window: time.Hour}, 10},
		"minimum only": {retry.BudgetConfig{Ratio: -1, MinPerSecond: 1.0 / 60, Window: time.Hour}, 60},
		"all":          {retry.BudgetConfig{Ratio: 1}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHedge(t, retry.HedgeConfig{Delay: ms, Budget: newBudget(t, tt.config)})
				require.Equal(t, tt.want, spend(t, h, 100, "/", fixed(10*ms)))
			})
		})
	}
}

// A copy that was refused, or whose body could not be had, has cost nothing;
// one that won has.
func TestHedgeBudgetRefunds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := retry.BudgetConfig{Ratio: -1, MinPerSecond: 1.0 / 3600, Window: time.Hour}
		refusal := behaving{retryable: true, notSent: true}
		for second, want := range map[*rttest.Step]int{{Err: refusal}: 10, {Status: 503}: 1, {}: 1} {
			h := newHedge(t, retry.HedgeConfig{Delay: ms, Budget: newBudget(t, one)})
			extra := 0
			for range 10 {
				s := rttest.NewScript(rttest.Step{Wait: time.Second}, *second)
				resp, err := h.Wrap(s).RoundTrip(newRequest(t, "GET", nil))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				synctest.Wait()
				extra += len(s.Calls()) - 1
			}
			require.Equal(t, want, extra, "second copy: %+v", *second)
		}

		h := newHedge(t, retry.HedgeConfig{Delay: ms, Budget: newBudget(t, one)})
		req := newRequest(t, "PUT", rttest.NewBody("data"))
		fails := true
		req.GetBody = func() (body io.ReadCloser, err error) {
			if fails {
				return nil, errBroken
			}
			return rttest.NewBody("data"), nil
		}
		for _, want := range []int{1, 2, 1} {
			s := rttest.NewScript(rttest.Step{Wait: time.Second})
			req.Body = rttest.NewBody("data")
			resp, err := h.Wrap(s).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			synctest.Wait()
			require.Len(t, s.Calls(), want)
			fails = false
		}
	})
}

// The repetitions of a Policy do not pay for copies: only callers do.
func TestHedgeBudgetBelowRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{Ratio: 0.5, MinPerSecond: -1, Window: time.Hour})
		h := newHedge(t, retry.HedgeConfig{Delay: ms, Budget: b})
		s := rttest.NewScript(rttest.Step{Wait: 10 * ms, Status: 503})
		rt := newPolicy(t, retry.Config{Backoff: retry.FullJitter(1, 1), MaxAttempts: 10}).Wrap(h.Wrap(s))
		for range 2 {
			resp, err := rt.RoundTrip(newRequest(t, "GET", nil))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		synctest.Wait()
		require.Len(t, s.Calls(), 2*10+1)
	})
}

func TestHedgeHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent, won []retry.HedgeEvent
		h := newHedge(t, retry.HedgeConfig{Delay: 100 * ms, MaxExtra: 2, Hooks: retry.HedgeHooks{
			Hedge: func(e retry.HedgeEvent) { sent = append(sent, e) },
			Won:   func(e retry.HedgeEvent) { won = append(won, e) },
		}})
		req := newRequest(t, "GET", nil)
		roundTrip := func(steps ...rttest.Step) {
			sent, won = nil, nil
			resp, err := h.Wrap(rttest.NewScript(steps...)).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		second := retry.HedgeEvent{Request: req, Copy: 2, After: 100 * ms}
		third := retry.HedgeEvent{Request: req, Copy: 3, After: 200 * ms}

		roundTrip(rttest.Step{Wait: 50 * ms})
		require.Empty(t, sent)
		require.Empty(t, won)

		roundTrip(rttest.Step{Wait: 250 * ms}, rttest.Step{Wait: time.Hour})
		require.Equal(t, []retry.HedgeEvent{second, third}, sent)
		require.Empty(t, won, "the first copy did")

		roundTrip(rttest.Step{Wait: time.Hour}, rttest.Step{Wait: 30 * ms, Status: 404})
		require.Equal(t, []retry.HedgeEvent{second}, sent)
		require.Equal(t, []retry.HedgeEvent{{Request: req, Copy: 2, After: 130 * ms, Status: 404}}, won)

		roundTrip(rttest.Step{Wait: 300 * ms, Err: errBroken}, rttest.Step{Wait: 150 * ms, Status: 503}, rttest.Step{Wait: 100 * ms, Err: errBroken})
		require.Equal(t, []retry.HedgeEvent{second, third}, sent)
		require.Empty(t, won, "none is acceptable")

		req.Method = "PUT"
		roundTrip(rttest.Step{Wait: 150 * ms, Err: errBroken}, rttest.Step{Wait: 80 * ms, Status: 404}, rttest.Step{Wait: time.Hour})
		require.Equal(t, []retry.HedgeEvent{{Request: req, Copy: 2, After: 180 * ms, Status: 404}}, won, "it can't be an echo")
	})
}

func TestTimesDoNotKeepTheURL(t *testing.T) {
	rttest.KeepsNoURL(t, newHedge(t, retry.HedgeConfig{}).Wrap)
}
