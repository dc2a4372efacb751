package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
)

// failing takes its time to fail.
type failing struct {
	n     atomic.Int64
	takes time.Duration
	err   error
}

func (f *failing) Token(ctx context.Context) (*auth.Token, error) {
	f.n.Add(1)
	select {
	case <-time.After(f.takes):
		return nil, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// One question for all who wait, each of whom has the answer when it is there,
// and an answer at once for those who come after it.
func TestManyCallersOneFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &failing{takes: 100 * time.Millisecond, err: errors.New("down")}
		cache := newCache(t, auth.CacheConfig{Source: source})
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond) // half of them come after the failure
				asked := time.Now()
				_, err := cache.Token(t.Context())
				require.LessOrEqual(t, time.Since(asked), source.takes)
				require.LessOrEqual(t, time.Since(begin), max(source.takes, asked.Sub(begin)), "nobody waits for a second question")
				require.ErrorIs(t, err, source.err)
				var e *auth.TokenError
				require.ErrorAs(t, err, &e)
				require.Equal(t, auth.Transient, e.Kind)
				require.True(t, e.Retryable())
				require.Positive(t, e.RetryAfter())
				require.LessOrEqual(t, e.RetryAfter(), time.Second)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, source.n.Load())
		require.Less(t, time.Since(begin), 260*time.Millisecond)
	})
}

// A failing renewal hurts nobody while the token is good, and is not tried at
// each call.
func TestOutageWhileTheTokenIsGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure error
		kind    auth.Kind
	}{
		"down":      {errors.New("down"), auth.Transient},
		"permanent": {&auth.TokenError{Kind: auth.Permanent, Code: "invalid_grant"}, auth.Permanent},
		"garbage":   {&auth.TokenError{Kind: auth.Protocol}, auth.Protocol},
		"throttled": {&auth.TokenError{Kind: auth.Transient, Status: 429, Wait: 20 * time.Second}, auth.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
					if n.Add(1) == 1 {
						return &auth.Token{AccessToken: auth.NewSecret("good"), ExpiresIn: 10 * time.Minute}, nil
					}
					return nil, c.failure
				})})
				begin := time.Now()
				for time.Since(begin) < 589*time.Second {
					asked := time.Now()
					token, err := cache.Token(t.Context())
					require.NoError(t, err, "after %v", time.Since(begin))
					require.Equal(t, "good", token.AccessToken.Reveal())
					require.Zero(t, time.Since(asked))
					if n.Load() > 1 && cache.Snapshot().Err != nil {
						require.False(t, cache.Invalidate(token), "no other can be had")
					}
					time.Sleep(250 * time.Millisecond)
				}
				require.GreaterOrEqual(t, n.Load(), int64(3), "the renewal is tried again")
				time.Sleep(2 * time.Second)
				_, err := cache.Token(t.Context())
				var e *auth.TokenError
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.kind, e.Kind)
				require.LessOrEqual(t, n.Load(), int64(10), "with back-off")
				require.GreaterOrEqual(t, n.Load(), int64(2))
			})
		})
	}
}

// What callers without a token see of a source's failures (each at once, and
// the source is not asked again before its time).
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err      error
		token    *auth.Token
		want     auth.TokenError // Err apart
		reauth   bool
		min, max time.Duration // of the wait
	}{
		"any error":         {err: errors.New("x"), want: auth.TokenError{Kind: auth.Transient}, min: 500 * time.Millisecond, max: time.Second},
		"unavailable":       {err: &auth.TokenError{Status: 503}, want: auth.TokenError{Kind: auth.Transient, Status: 503}, min: 500 * time.Millisecond, max: time.Second},
		"too many requests": {err: &auth.TokenError{Status: 429, Wait: 90 * time.Second}, want: auth.TokenError{Kind: auth.Transient, Status: 429}, min: 90 * time.Second, max: 90 * time.Second},
		"wait for ever":     {err: &auth.TokenError{Status: 503, Wait: 1e18}, want: auth.TokenError{Kind: auth.Transient, Status: 503}, min: 10 * time.Minute, max: 10 * time.Minute},
		"negative wait":     {err: &auth.TokenError{Status: 503, Wait: -5}, want: auth.TokenError{Kind: auth.Transient, Status: 503}, min: 500 * time.Millisecond, max: time.Second},
		"invalid_grant":     {err: &auth.TokenError{Status: 400, Code: "invalid_grant"}, want: auth.TokenError{Kind: auth.Permanent, Status: 400, Code: "invalid_grant"}, reauth: true, min: time.Minute, max: time.Minute},
		"invalid_client":    {err: &auth.TokenError{Status: 401, Code: "invalid_client"}, want: auth.TokenError{Kind: auth.Permanent, Status: 401, Code: "invalid_client"}, min: time.Minute, max: time.Minute},
		"no session":        {err: fmt.Errorf("no session: %w", auth.ErrReauthRequired), want: auth.TokenError{Kind: auth.Permanent}, reauth: true, min: time.Minute, max: time.Minute},
		"not retryable":     {err: verdict{retryable: false}, want: auth.TokenError{Kind: auth.Permanent}, min: time.Minute, max: time.Minute},
		"open circuit":      {err: fmt.Errorf("x: %w", verdict{retryable: true, after: 7 * time.Second}), want: auth.TokenError{Kind: auth.Transient}, min: 7 * time.Second, max: 7 * time.Second},
		"its own timeout":   {err: context.DeadlineExceeded, want: auth.TokenError{Kind: auth.Transient}, min: 500 * time.Millisecond, max: time.Second},
		"long and dirty": {
			err:  &auth.TokenError{Kind: auth.Protocol, Code: "a\nb", Description: "x\x00\u00e9"},
			want: auth.TokenError{Kind: auth.Protocol, Code: "a b", Description: "x   "}, min: 500 * time.Millisecond, max: time.Second,
		},
		"nothing":     {want: auth.TokenError{Kind: auth.Protocol, Description: "the source returned no token and no error"}, min: 500 * time.Millisecond, max: time.Second},
		"empty token": {token: &auth.Token{}, want: auth.TokenError{Kind: auth.Protocol, Description: "the access token is empty"}, min: 500 * time.Millisecond, max: time.Second},
		"CRLF":        {token: tokenOf("x\r\nX-Evil: 1"), want: badToken, min: 500 * time.Millisecond, max: time.Second},
		"NUL":         {token: tokenOf("x\x00"), want: badToken, min: 500 * time.Millisecond, max: time.Second},
		"space":       {token: tokenOf("x y"), want: badToken, min: 500 * time.Millisecond, max: time.Second},
		"not ASCII":   {token: tokenOf("t\u00f6ken"), want: badToken, min: 500 * time.Millisecond, max: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n, told atomic.Int64
				cache := newCache(t, auth.CacheConfig{
					Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) { n.Add(1); return c.token, c.err }),
					Hooks:  auth.CacheHooks{ReauthRequired: func(err error) { told.Add(1); require.ErrorIs(t, err, auth.ErrReauthRequired) }},
				})
				begin := time.Now()
				_, err := cache.Token(t.Context())
				var e *auth.TokenError
				require.ErrorAs(t, err, &e)
				got := *e
				got.Wait, got.Err = 0, nil
				require.Equal(t, c.want, got)
				require.Equal(t, c.reauth, errors.Is(err, auth.ErrReauthRequired))
				require.GreaterOrEqual(t, e.Wait, c.min)
				require.LessOrEqual(t, e.Wait, c.max)
				for range 100 {
					_, err := cache.Token(t.Context())
					require.Equal(t, c.reauth, errors.Is(err, auth.ErrReauthRequired))
				}
				require.EqualValues(t, 1, n.Load())
				require.Zero(t, time.Since(begin), "it fails, it does not wait")
				time.Sleep(e.Wait - time.Nanosecond)
				_, err = cache.Token(t.Context())
				require.ErrorAs(t, err, &e)
				require.Equal(t, time.Nanosecond, e.Wait)
				time.Sleep(time.Nanosecond)
				_, err = cache.Token(t.Context())
				require.Error(t, err)
				require.EqualValues(t, 2, n.Load())
				if c.reauth {
					require.EqualValues(t, 1, told.Load())
					cache.Reset()
					_, err = cache.Token(t.Context())
					require.Error(t, err)
					require.EqualValues(t, 3, n.Load())
					require.EqualValues(t, 2, told.Load())
				}
			})
		})
	}
}

var badToken = auth.TokenError{Kind: auth.Protocol, Description: "the access token has characters that cannot be sent"}

func tokenOf(s string) *auth.Token { return &auth.Token{AccessToken: auth.NewSecret(s)} }

// verdict is an error as other packages make it.
type verdict struct {
	retryable bool
	after     time.Duration
}

func (verdict) Error() string               { return "verdict" }
func (v verdict) Retryable() bool           { return v.retryable }
func (v verdict) RetryAfter() time.Duration { return v.after }

// What a Source says of URLs is clean in every error that comes of it, also in the
// field that has the cause.
func TestErrorsOfTheSourceAreClean(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	leaky := &url.Error{Op: "Post", URL: "https://login.example.com/token?client_secret=" + canary.Secret("in a URL"), Err: io.EOF}
	for name, err := range map[string]error{
		"plain":      leaky,
		"wrapped":    fmt.Errorf("no token: %w", leaky),
		"TokenError": &auth.TokenError{Kind: auth.Transient, Err: leaky},
	} {
		cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) { return nil, err })})
		_, err := cache.Token(t.Context())
		require.ErrorIs(t, err, io.EOF)
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		canary.Check(t, name, e, *e, e.Err, cache.Snapshot())
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &failing{err: errors.New("down")}
		cache := newCache(t, auth.CacheConfig{Source: source, MinBackoff: time.Second, MaxBackoff: 10 * time.Second})
		for i := range 100 {
			_, err := cache.Token(t.Context())
			var e *auth.TokenError
			require.ErrorAs(t, err, &e)
			limit := min(time.Second<<min(i, 10), 10*time.Second)
			require.GreaterOrEqual(t, e.Wait, limit/2)
			require.LessOrEqual(t, e.Wait, limit)
			require.Equal(t, i+1, cache.Snapshot().Failures)
			require.Error(t, cache.Snapshot().Err)
			time.Sleep(e.Wait)
		}
		require.EqualValues(t, 100, cache.Snapshot().Fetches)
	})
}

func TestSourceThatDoesNotListen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		cache := newCache(t, auth.CacheConfig{Timeout: 5 * time.Second, Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			n.Add(1)
			time.Sleep(time.Hour)
			return nil, errors.New("late")
		})})
		begin := time.Now()
		for range 3 {
			_, err := cache.Token(t.Context())
			var e *auth.TokenError
			require.ErrorAs(t, err, &e)
			require.Equal(t, auth.Transient, e.Kind)
			require.True(t, e.Timeout())
			require.Equal(t, 5*time.Second, time.Since(begin))
		}
		require.EqualValues(t, 1, n.Load(), "one goroutine hangs, not one for each call")
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

func TestHangingSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &failing{takes: time.Hour}
		cache := newCache(t, auth.CacheConfig{Source: source})
		begin := time.Now()
		_, err := cache.Token(t.Context())
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, auth.Transient, e.Kind)
		require.Equal(t, 30*time.Second, time.Since(begin))
		synctest.Wait()
		_, err = cache.Token(t.Context())
		require.ErrorAs(t, err, &e)
		require.Positive(t, e.Wait)
		require.EqualValues(t, 1, source.n.Load())
	})
}

func TestPanickingSourceAndHooks(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := canary.Secret("of the source")
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		cache := newCache(t, auth.CacheConfig{
			Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
				if n.Add(1) == 1 {
					panic(secret)
				}
				return tokenOf("good"), nil
			}),
			Hooks: auth.CacheHooks{Fetched: func(auth.Fetch) { panic("hook") }},
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := cache.Token(t.Context())
				var e *auth.TokenError
				require.ErrorAs(t, err, &e)
				require.Equal(t, auth.Protocol, e.Kind)
				canary.Check(t, "error", err)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, n.Load())
		time.Sleep(time.Second)
		_, err := cache.Token(t.Context())
		require.ErrorContains(t, err, "panicked")
		token, err := cache.Token(t.Context())
		require.NoError(t, err, "the token was there before the hook")
		require.Equal(t, "good", token.AccessToken.Reveal())
	})
}

func TestTokenErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*auth.TokenError{
		"auth: no token: unknown failure":   {},
		"auth: no token: transient failure": {Kind: auth.Transient},
		"auth: no token: permanent failure, status 400, invalid_grant (gone)": {
			Kind: auth.Permanent, Status: http.StatusBadRequest, Code: "invalid_grant", Description: "gone",
		},
		"auth: no token: canceled failure: context canceled":      {Kind: auth.Canceled, Err: context.Canceled},
		"auth: no token: protocol failure, next try in 1.5s: why": {Kind: auth.Protocol, Wait: 1500 * time.Millisecond, Err: errors.New("why")},
		"auth: no token: permanent failure, a b (c   d)":          {Kind: auth.Permanent, Code: "a\nb", Description: "c\r\n\x1bd"},
	} {
		require.EqualError(t, err, want)
	}
	long := &auth.TokenError{Code: string(make([]byte, 1e6)), Description: string(make([]byte, 1e6))}
	require.Less(t, len(long.Error()), 400)
}
