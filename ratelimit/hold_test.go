package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

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
		"429 without a wish":       {rttest.Step{Status: 429}, ratelimit.Config{IgnoreQuotas: true}, 0},
		"wish of zero":             {rttest.Step{Status: 429, Header: []string{"Retry-After", "0"}}, ratelimit.Config{IgnoreQuotas: true}, 0},
		"negative":                 {rttest.Step{Status: 429, Header: []string{"Retry-After", "-3"}}, ratelimit.Config{IgnoreQuotas: true}, 0},
		"404 with a wish":          {rttest.Step{Status: 404, Header: []string{"Retry-After", "3"}}, ratelimit.Config{}, 0},
		"200 that Check throttles": {rttest.Step{Header: []string{"X-Throttled", "1", "Retry-After", "3"}}, ratelimit.Config{Check: checkSays(errors.New("throttled"))}, 3 * time.Second},
		"wait from Check":          {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{Check: checkSays(throttled(4 * time.Second))}, 4 * time.Second},
		"wait from Check, capped":  {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{Check: checkSays(throttled(math.MaxInt64))}, ratelimit.DefaultMaxRetryAfter},
		"no wait from Check":       {rttest.Step{Header: []string{"X-Throttled", "1"}}, ratelimit.Config{IgnoreQuotas: true, Check: checkSays(throttled(-1))}, 0},
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
