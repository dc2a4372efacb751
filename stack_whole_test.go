package holdfast_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// whole is every layer that the package documentation names, in its order.
func whole(t testing.TB, answers []fallback.Answer, source auth.Source, callback func()) holdfast.Middleware {
	t.Helper()
	answer, err := fallback.New(fallback.Config{
		Answers: answers,
		Hooks: fallback.Hooks{
			Served: func(fallback.Event) { callback() },
			Failed: func(fallback.Event) { callback() },
		},
	})
	require.NoError(t, err)
	tokens, err := auth.NewCache(auth.CacheConfig{Source: source, MinForced: -1})
	require.NoError(t, err)
	guard, err := auth.New(auth.Config{
		Authorizer:           auth.Bearer(tokens),
		DangerouslyAllowHTTP: true,
		Hooks:                auth.Hooks{Replay: func(auth.Event) { callback() }},
	})
	require.NoError(t, err)
	inner := stack(t,
		retry.Config{
			Backoff: retry.FullJitter(time.Millisecond, time.Millisecond),
			Hooks:   retry.Hooks{Retry: func(retry.Event) { callback() }, GiveUp: func(retry.Event) { callback() }},
		},
		ratelimit.Config{
			Rate: 500, Burst: 10,
			Hooks: ratelimit.Hooks{Wait: func(ratelimit.Wait) { callback() }, Hold: func(ratelimit.Hold) { callback() }},
		},
		breaker.Config{
			ConsecutiveFailures: 20, OpenTimeout: time.Millisecond,
			Hooks: breaker.Hooks{StateChange: func(breaker.Change) { callback() }, Refused: func(*breaker.OpenError) { callback() }},
		})
	patience := retry.AttemptTimeout(time.Minute)
	return func(next http.RoundTripper) http.RoundTripper {
		return holdfast.Chain(next, answer.Wrap, inner, patience, guard.Wrap)
	}
}

// endless gives out a new token each time that it is asked.
type endless struct{ n atomic.Int64 }

func (e *endless) Token(context.Context) (*auth.Token, error) {
	e.n.Add(1)
	return &auth.Token{AccessToken: auth.NewSecret("token"), ExpiresIn: time.Hour}, nil
}

// What serves in place of errors only, because the contract wants every status
// to arrive as it is.
func insteadOfErrors() []fallback.Answer {
	return []fallback.Answer{
		fallback.LastGood(fallback.LastGoodConfig{}).When(func(*http.Request) bool { return false }),
		fallback.Func(func(_ context.Context, _ *http.Request, f fallback.Failure) (*http.Response, error) {
			if f.Err == nil {
				return nil, nil
			}
			return &http.Response{StatusCode: http.StatusOK}, nil
		}),
	}
}

func TestWholeStackContract(t *testing.T) {
	t.Parallel()
	rttest.Contract(t, rttest.Subject{
		New: func() rttest.Middleware { return whole(t, insteadOfErrors(), &endless{}, func() {}) },
		Hooked: func(callback func()) rttest.Middleware {
			return whole(t, insteadOfErrors(), &endless{}, callback)
		},
	})
}

// One order, told by what each layer did: an old token is replaced, a 503 is
// repeated, a circuit opens, and then a degraded answer comes at once.
func TestWholeStackTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := &endless{}
		s := rttest.NewScript(
			rttest.Step{Status: http.StatusUnauthorized},
			rttest.Step{Status: http.StatusServiceUnavailable},
			rttest.Step{Body: "fresh"},
			rttest.Step{Err: errors.New("connection reset")},
		)
		rt := whole(t, []fallback.Answer{fallback.Static(http.StatusOK, nil, []byte("degraded"))}, tokens, func() {})(s)
		get := func() *http.Response {
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp
		}
		resp := get()
		require.False(t, fallback.Degraded(resp))
		require.Len(t, s.Calls(), 3, "a replay and a repetition")
		require.Equal(t, int64(2), tokens.n.Load())
		for _, call := range s.Calls() {
			require.Equal(t, "Bearer token", call.Request.Header.Get("Authorization"))
		}
		for sent := 0; sent < len(s.Calls()); {
			sent = len(s.Calls())
			require.True(t, fallback.Degraded(get()))
		}
		begin, sent := time.Now(), len(s.Calls())
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet).WithContext(ctx))
		require.NoError(t, err, "an open circuit does not take the caller's time")
		require.True(t, fallback.Degraded(resp))
		require.Zero(t, time.Since(begin))
		require.Len(t, s.Calls(), sent)

		resp, err = rt.RoundTrip(newRequest(t, http.MethodPost))
		require.ErrorIs(t, err, breaker.ErrOpen, "%v", resp)
		require.NotContains(t, err.Error(), "token", "a secret")
		require.True(t, strings.HasPrefix(err.Error(), "retry: "), err)
	})
}

// A token endpoint that hangs is no failure of the API: its circuit does not
// open, and what was never sent may be sent again.
func TestWholeStackWithoutToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
			if asked++; asked > 2 {
				return &auth.Token{AccessToken: auth.NewSecret("token")}, nil
			}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(source)})
		require.NoError(t, err)
		circuits, err := breaker.New(breaker.Config{})
		require.NoError(t, err)
		retries, err := retry.New(retry.Config{})
		require.NoError(t, err)
		s := rttest.NewScript()
		rt := holdfast.Chain(s, retries.Wrap, circuits.Wrap, retry.AttemptTimeout(time.Second), guard.Wrap)
		resp, err := rt.RoundTrip(newRequest(t, http.MethodPost))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Len(t, s.Calls(), 1)
		require.Equal(t, "payload", s.Calls()[0].Body)
		require.Equal(t, breaker.Counts{Successes: 1}, circuits.Snapshot()[0].Counts)
	})
}
