package retry_test

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func newBudget(t testing.TB, c retry.BudgetConfig) *retry.Budget {
	t.Helper()
	b, err := retry.NewBudget(c)
	require.NoError(t, err)
	return b
}

// sends makes n calls to a server that is down and returns how often it was
// called.
func sends(t *testing.T, p *retry.Policy, n int) int {
	t.Helper()
	s := rttest.NewScript(rttest.Step{Status: 503})
	rt := p.Wrap(s)
	for range n {
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	return len(s.Calls())
}

func TestBudget(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config retry.BudgetConfig
		calls  int
		want   int
	}{
		"zero config: a tenth and one per second": {retry.BudgetConfig{}, 1000, 1000 + 100 + 10},
		"a fifth":              {retry.BudgetConfig{Ratio: 0.2, MinPerSecond: -1}, 1000, 1200},
		"no more than asked":   {retry.BudgetConfig{Ratio: 1, MinPerSecond: 1000}, 100, 300},
		"minimum only":         {retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.5}, 1000, 1005},
		"nothing":              {retry.BudgetConfig{Ratio: -1, MinPerSecond: -1}, 1000, 1000},
		"minimum of a moment":  {retry.BudgetConfig{Ratio: -1, MinPerSecond: 2, Window: time.Second}, 1000, 1002},
		"rounding costs none":  {retry.BudgetConfig{Ratio: 0.1, MinPerSecond: -1}, 10, 11},
		"a call costs at most": {retry.BudgetConfig{MinPerSecond: 100}, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var exhausted int
				p := newPolicy(t, retry.Config{
					Backoff: retry.Constant(0), Budget: newBudget(t, tt.config),
					Hooks: retry.Hooks{GiveUp: func(e retry.Event) {
						if e.Reason == retry.BudgetExhausted {
							exhausted++
						}
					}},
				})
				require.Equal(t, tt.want, sends(t, p, tt.calls))
				require.Equal(t, tt.want < 3*tt.calls, exhausted > 0)
			})
		})
	}
}

// What requests have paid is forgotten after the window, and so is what
// repetitions have taken.
func TestBudgetForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{Ratio: 0.5, MinPerSecond: 0.2})
		good := newPolicy(t, retry.Config{Budget: b}).Wrap(rttest.NewScript())
		for range 100 {
			resp, err := good.RoundTrip(newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b})
		time.Sleep(5 * time.Second)
		require.Equal(t, 30, sends(t, p, 10), "50 of the good calls pay for 20")
		time.Sleep(6 * time.Second)
		require.Equal(t, 1, sends(t, p, 1), "that is gone, and 20 are spent")
		time.Sleep(time.Hour)
		require.Equal(t, 10+2+5, sends(t, p, 10), "two of the minimum, and a half each")
	})
}

// A repetition that succeeds has cost nothing: the upstream can bear it.
func TestBudgetRefundsSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in no time, so that the window does not move
		b := newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.1})
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b})
		for range 100 {
			s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{})
			resp, err := p.Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
		}
		require.Equal(t, 11, sends(t, p, 10), "the one token is still there")
	})
}

// What was not sent has cost nothing: a circuit has refused it, or its caller
// went away while it waited.
func TestBudgetRefundsWhatWasNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.1})
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b})
		for range 100 {
			s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: behaving{retryable: true, notSent: true}})
			_, err := p.Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
			require.Error(t, err)
		}
		slow := newPolicy(t, retry.Config{Backoff: retry.Constant(time.Millisecond), Budget: b})
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Microsecond, cancel)
			_, err := slow.Wrap(rttest.NewScript(rttest.Step{Status: 503})).RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Equal(t, 11, sends(t, p, 10), "the one token is still there")
	})
}

func TestBudgetPerKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{
			Ratio: -1, MinPerSecond: 0.1,
			Key: func(req *http.Request) string { return req.Header.Get("Tenant") },
		})
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b})
		for _, tenant := range []string{"a", "b"} {
			s := rttest.NewScript(rttest.Step{Status: 503})
			for range 10 {
				req := newRequest(t, http.MethodGet, nil)
				req.Header.Set("Tenant", tenant)
				resp, err := p.Wrap(s).RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}
			require.Len(t, s.Calls(), 11)
		}
	})
}

func TestBudgetSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{
			Ratio: 0.5, MinPerSecond: 0.1, Window: 10 * time.Second,
			Key: func(req *http.Request) string { return req.Header.Get("Tenant") },
		})
		require.Empty(t, b.Snapshot())
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b, MaxAttempts: 2})
		for tenant, status := range map[string]int{"b": 503, "a": 200} {
			req := newRequest(t, http.MethodGet, nil)
			req.Header.Set("Tenant", tenant)
			resp, err := p.Wrap(rttest.NewScript(rttest.Step{Status: status})).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, []retry.Account{{Key: "a", Tokens: 1.5}, {Key: "b", Tokens: 0.5}}, b.Snapshot())
		time.Sleep(11 * time.Second)
		require.Equal(t, []retry.Account{{Key: "a", Tokens: 1}, {Key: "b", Tokens: 1}}, b.Snapshot(), "only the reserve is left")
	})
}

// Whatever the traffic, no window sees more repetitions than were paid for.
func TestBudgetBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: newBudget(t, retry.BudgetConfig{MinPerSecond: 0.5})})
		s := rttest.NewScript(rttest.Step{Status: 503})
		rt := p.Wrap(s)
		var asked []time.Time
		for range 3000 {
			asked = append(asked, time.Now())
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			time.Sleep(time.Duration(random.ExpFloat64() * float64(50*time.Millisecond)))
		}
		within := func(times []time.Time, from, to time.Time) (n int) {
			for _, at := range times {
				if !at.Before(from) && at.Before(to) {
					n++
				}
			}
			return n
		}
		var sent []time.Time
		for _, c := range s.Calls() {
			sent = append(sent, c.At)
		}
		for from := asked[0]; from.Before(asked[len(asked)-1]); from = from.Add(time.Second) {
			to := from.Add(10 * time.Second)
			// What is spent in a window was paid in it or in the one before.
			repeated := within(sent, from, to) - within(asked, from, to)
			paid := 0.1*float64(within(asked, from.Add(-10*time.Second), to)) + 0.5*20
			require.LessOrEqual(t, float64(repeated), paid+1)
		}
	})
}

func TestBudgetSharedByMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{MinPerSecond: -1})
		s := rttest.NewScript(rttest.Step{Status: 503})
		var wg sync.WaitGroup
		for range 50 {
			p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b})
			wg.Go(func() {
				for range 20 {
					resp, err := p.Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
					if err == nil {
						_ = resp.Body.Close()
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, s.Calls(), 1100)
	})
}

func TestInvalidBudget(t *testing.T) {
	t.Parallel()
	_, err := retry.NewBudget(retry.BudgetConfig{Ratio: 1.5, MinPerSecond: math.NaN(), Window: 1, MaxKeys: -1})
	require.EqualError(t, err, strings.Join([]string{
		"retry: BudgetConfig.Ratio is 1.5: must be at most 1",
		"retry: BudgetConfig.MinPerSecond is NaN: must be at most 1000000",
		"retry: BudgetConfig.Window is 1ns: must be between 10ms and 1h",
		"retry: BudgetConfig.MaxKeys is -1: must not be negative",
	}, "\n"))
}

func TestAccountDoesNotKeepTheURL(t *testing.T) {
	b := newBudget(t, retry.BudgetConfig{})
	rttest.KeepsNoURL(t, newPolicy(t, retry.Config{Budget: b}).Wrap)
	require.NotEmpty(t, b.Snapshot())
}
