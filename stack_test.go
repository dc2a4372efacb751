package holdfast_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// stack is retry, limiter and breaker as the package documentation orders them.
func stack(t testing.TB, retries retry.Config, limits ratelimit.Config, circuits breaker.Config) holdfast.Middleware {
	t.Helper()
	policy, err := retry.New(retries)
	require.NoError(t, err)
	b, err := breaker.New(circuits)
	require.NoError(t, err)
	limits.Ready = b.Ready
	limiter, err := ratelimit.New(limits)
	require.NoError(t, err)
	return func(next http.RoundTripper) http.RoundTripper {
		return holdfast.Chain(next, policy.Wrap, limiter.Wrap, b.Wrap)
	}
}

func newRequest(t testing.TB, method string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://api.example.com/v1/things", strings.NewReader("payload"))
	require.NoError(t, err)
	return req
}

func TestStackContract(t *testing.T) {
	t.Parallel()
	rttest.Contract(t, rttest.Subject{
		New: func() rttest.Middleware {
			return stack(t, retry.Config{MaxAttempts: 5}, ratelimit.Config{Rate: 10},
				breaker.Config{ConsecutiveFailures: 20, OpenTimeout: time.Second})
		},
		Hooked: func(callback func()) rttest.Middleware {
			key := func(*http.Request) string { callback(); return "key" }
			return stack(t,
				retry.Config{
					Backoff: retry.FullJitter(time.Millisecond, time.Millisecond),
					Hooks: retry.Hooks{
						Retry:  func(retry.Event) { callback() },
						GiveUp: func(retry.Event) { callback() },
					},
				},
				ratelimit.Config{
					Rate: 500, Burst: 1, Key: key,
					Hooks: ratelimit.Hooks{
						Wait:    func(ratelimit.Wait) { callback() },
						Hold:    func(ratelimit.Hold) { callback() },
						Refused: func(*ratelimit.Error) { callback() },
					},
				},
				breaker.Config{
					ConsecutiveFailures: 2, OpenTimeout: time.Millisecond, Key: key,
					Hooks: breaker.Hooks{
						StateChange: func(breaker.Change) { callback() },
						Refused:     func(*breaker.OpenError) { callback() },
					},
				})
		},
	})
}

// An open circuit refuses even a POST without a key in a way that retry may
// repeat, and says when to come back.
func TestRetryWaitsForTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 502}, rttest.Step{Body: "back"})
		rt := stack(t, retry.Config{Backoff: retry.FullJitter(1, 1)}, ratelimit.Config{},
			breaker.Config{ConsecutiveFailures: 1, OpenTimeout: 5 * time.Second, Jitter: -1})(s)
		resp, err := rt.RoundTrip(newRequest(t, http.MethodPost))
		require.NoError(t, err)
		require.Equal(t, 502, resp.StatusCode, "this one was sent")
		require.NoError(t, resp.Body.Close())

		begin := time.Now()
		resp, err = rt.RoundTrip(newRequest(t, http.MethodPost))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		require.Len(t, s.Calls(), 2)
		require.WithinDuration(t, begin.Add(5*time.Second), time.Now(), time.Microsecond)
	})
}

func TestRetryDoesNotWaitForAProbeInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Err: errors.New("broken")})
		rt := stack(t, retry.Config{MaxAttempts: 10, MaxRetryAfter: time.Minute}, ratelimit.Config{},
			breaker.Config{ConsecutiveFailures: 2, OpenTimeout: time.Hour})(s)
		_, err := rt.RoundTrip(newRequest(t, http.MethodGet))
		require.ErrorIs(t, err, breaker.ErrOpen)
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.RetryAfterTooLong, e.Reason)
		require.Len(t, s.Calls(), 2)
	})
}

// What the circuit refuses costs no token: the rate is for requests that go out.
func TestOpenCircuitCostsNoTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Body: "back"})
		rt := stack(t, retry.Config{MaxAttempts: -1}, ratelimit.Config{Rate: 0.01, Burst: 3},
			breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Second, Jitter: -1})(s)
		for range 100 {
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet))
			if err == nil {
				require.NoError(t, resp.Body.Close())
			}
		}
		time.Sleep(2 * time.Second)
		begin := time.Now()
		for range 2 {
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Zero(t, time.Since(begin))
		require.Len(t, s.Calls(), 3)
	})
}

// Every attempt counts against the rate, and one 429 stops the others.
func TestAttemptsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "2"}}, rttest.Step{Status: 502}, rttest.Step{})
		rt := stack(t, retry.Config{Backoff: retry.FullJitter(1, 1)}, ratelimit.Config{Rate: 1}, breaker.Config{})(s)
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		calls := s.Calls()
		require.Len(t, calls, 3)
		require.GreaterOrEqual(t, calls[1].At.Sub(calls[0].At), 2*time.Second)
		require.GreaterOrEqual(t, calls[2].At.Sub(calls[1].At), time.Second-2)
	})
}

// What a call says of itself does not hold for the token that it needs: a refresh
// token that is sent twice because the order may be is a session that is lost.
func TestTokenIsNotAskedForAsTheCallIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy, err := retry.New(retry.Config{})
		require.NoError(t, err)
		limiter, err := ratelimit.New(ratelimit.Config{Rate: 1, Burst: 10})
		require.NoError(t, err)
		endpoint := rttest.NewScript(rttest.Step{Status: http.StatusServiceUnavailable})
		client := holdfast.Chain(endpoint, policy.Wrap, limiter.Wrap)
		cache, err := auth.NewCache(auth.CacheConfig{Source: auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.example.com/token", strings.NewReader("refresh_token=once"))
			require.NoError(t, err)
			resp, err := client.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return &auth.Token{AccessToken: auth.NewSecret("token")}, nil
		})})
		require.NoError(t, err)
		guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(cache)})
		require.NoError(t, err)

		api := rttest.NewScript(rttest.Step{Status: http.StatusServiceUnavailable}, rttest.Step{})
		ctx := retry.Idempotent(ratelimit.WithCost(t.Context(), 1000))
		resp, err := holdfast.Chain(api, policy.Wrap, guard.Wrap).RoundTrip(newRequest(t, http.MethodPost).WithContext(ctx))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Len(t, api.Calls(), 2)
		require.Len(t, endpoint.Calls(), 1)
	})
}

// The three add the body that reports the outcome, and nothing else.
func TestStackAllocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK}
	body := rttest.NewBody("")
	next := rttest.Func(func(*http.Request) (*http.Response, error) { resp.Body = body; return resp, nil })
	rt := stack(t, retry.Config{}, ratelimit.Config{Rate: 1e9, Burst: 1 << 30}, breaker.Config{})(next)
	req := newRequest(t, http.MethodGet)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		got, _ := rt.RoundTrip(req)
		_ = got.Body.Close()
	}), 1.0)
}
