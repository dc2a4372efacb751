package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
)

func TestManyCallersOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: time.Second, life: 100 * time.Second}
		cache := newCache(t, auth.CacheConfig{Source: source})
		_, err := cache.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(200 * time.Second) // it has expired
		var wg sync.WaitGroup
		for range manyCallers {
			wg.Go(func() {
				token, err := cache.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, "token-2", token.AccessToken.Reveal())
			})
		}
		wg.Wait()
		require.EqualValues(t, 2, source.n.Load())
	})
}

func TestCallerKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: 1500 * time.Millisecond}
		cache := newCache(t, auth.CacheConfig{Source: source})
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := cache.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(begin))
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, auth.Canceled, e.Kind)
		require.True(t, e.Timeout())
		require.False(t, e.Retryable())

		// The work goes on: it has a token for the next one.
		time.Sleep(1400 * time.Millisecond)
		synctest.Wait()
		begin = time.Now()
		_, err = cache.Token(t.Context())
		require.NoError(t, err)
		require.Zero(t, time.Since(begin))
		require.EqualValues(t, 1, source.n.Load())
	})
}

// The caller whose question it was goes away: the others get the answer to it.
func TestFirstCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: time.Second}
		cache := newCache(t, auth.CacheConfig{Source: source})
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := cache.Token(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, 100*time.Millisecond, time.Since(begin))
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				_, err := cache.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, time.Second, time.Since(begin))
			})
		}
		time.Sleep(100 * time.Millisecond)
		cancel()
		wg.Wait()
		require.EqualValues(t, 1, source.n.Load())
	})
}

// Across eight expiries, nobody waits.
func TestRenewalInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: 2 * time.Second, life: 5 * time.Minute}
		cache := newCache(t, auth.CacheConfig{Source: source})
		_, err := cache.Token(t.Context())
		require.NoError(t, err)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Millisecond)
				for time.Since(begin) < 40*time.Minute {
					asked := time.Now()
					token, err := cache.Token(t.Context())
					require.NoError(t, err)
					require.Zero(t, time.Since(asked))
					require.True(t, token.Expiry.After(asked))
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		// They are renewed 48 s to 60 s before their end.
		require.GreaterOrEqual(t, source.n.Load(), int64(9))
		require.LessOrEqual(t, source.n.Load(), int64(11))
	})
}

// Lifetimes of all sorts: no refresh storm, and the token can be used.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		token   func(now time.Time) auth.Token
		config  auth.CacheConfig
		takes   time.Duration
		in100s  int64 // how often the source is asked by a caller each 100 ms
		hard    time.Duration
		unknown bool
	}{
		"an hour":          {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: time.Hour} }, in100s: 1, hard: time.Hour - 10*time.Second},
		"from the sending": {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: time.Hour} }, takes: 20 * time.Second, in100s: 1, hard: time.Hour - 10*time.Second},
		"no margin":        {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: time.Hour} }, config: auth.CacheConfig{Margin: -1}, in100s: 1, hard: time.Hour},
		"a minute":         {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: time.Minute} }, in100s: 3, hard: 54 * time.Second},
		"absolute":         {token: func(now time.Time) auth.Token { return auth.Token{Expiry: now.Add(time.Hour).Round(0)} }, in100s: 1, hard: time.Hour - 10*time.Second},
		"server's clock": {token: func(now time.Time) auth.Token {
			return auth.Token{Date: now.Add(-day), Expiry: now.Add(-day + time.Hour)}
		}, in100s: 1, hard: time.Hour - 10*time.Second},
		"none":              {token: func(time.Time) auth.Token { return auth.Token{} }, in100s: 1, unknown: true},
		"default":           {token: func(time.Time) auth.Token { return auth.Token{} }, config: auth.CacheConfig{DefaultLifetime: time.Hour}, in100s: 1, hard: time.Hour - 10*time.Second},
		"negative":          {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: -time.Second} }, in100s: 20, hard: 5 * time.Second},
		"in the past":       {token: func(now time.Time) auth.Token { return auth.Token{Expiry: now.Add(-day)} }, in100s: 20, hard: 5 * time.Second},
		"shorter than ever": {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: time.Nanosecond} }, in100s: 20, hard: 5 * time.Second},
		"five seconds":      {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: 5 * time.Second} }, in100s: 20, hard: 5 * time.Second},
		"as long as can be": {token: func(time.Time) auth.Token { return auth.Token{ExpiresIn: 1<<63 - 1} }, in100s: 1, hard: 3650*day - 10*time.Second},
		"the year 9999":     {token: func(time.Time) auth.Token { return auth.Token{Expiry: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} }, in100s: 1, hard: 3650*day - 10*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				c.config.Early = -1
				var sent time.Time
				c.config.Source = auth.SourceFunc(func(context.Context) (*auth.Token, error) {
					n.Add(1)
					sent = time.Now()
					token := c.token(sent)
					time.Sleep(c.takes)
					token.AccessToken = auth.NewSecret("token")
					return &token, nil
				})
				cache := newCache(t, c.config)
				token, err := cache.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.unknown, token.Expiry.IsZero())
				if !c.unknown {
					time.Sleep(c.hard - time.Since(sent) - 1)
					again, err := cache.Token(t.Context())
					require.NoError(t, err)
					require.Same(t, token, again)
					time.Sleep(time.Nanosecond)
					again, err = cache.Token(t.Context())
					require.NoError(t, err)
					require.NotSame(t, token, again)
				}
				before := n.Load()
				begin := time.Now()
				for time.Since(begin) < 100*time.Second {
					_, err := cache.Token(t.Context())
					require.NoError(t, err)
					time.Sleep(100 * time.Millisecond)
				}
				require.LessOrEqual(t, n.Load()-before, c.in100s)
			})
		})
	}
}

// Replicas that started together do not renew together.
func TestRenewalIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		times := make(map[time.Duration]int)
		for range 50 {
			source := &counter{life: time.Hour}
			source.before = func() {
				mu.Lock()
				defer mu.Unlock()
				times[time.Since(begin).Truncate(time.Second)]++
			}
			cache := newCache(t, auth.CacheConfig{Source: source})
			go func() {
				_, _ = cache.Token(t.Context())
				time.Sleep(54 * time.Minute)
				for source.n.Load() < 2 {
					_, _ = cache.Token(t.Context())
					time.Sleep(time.Second)
				}
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 50, times[0])
		delete(times, 0)
		total := 0
		for at, n := range times {
			require.GreaterOrEqual(t, at, 55*time.Minute)
			require.LessOrEqual(t, at, 56*time.Minute+time.Second)
			require.Less(t, n, 20)
			total += n
		}
		require.Equal(t, 50, total)
	})
}

// A token that has just been issued can be revoked. The one that replaces it
// stays for MinForced, whoever refuses it.
func TestRefusedTokensAreReplacedAtTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{}
		cache := newCache(t, auth.CacheConfig{Source: source})
		token, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.True(t, cache.Invalidate(token))
		token, err = cache.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "token-2", token.AccessToken.Reveal())
		time.Sleep(auth.DefaultMinForced - time.Nanosecond)
		require.False(t, cache.Invalidate(token))
		time.Sleep(time.Nanosecond)
		require.True(t, cache.Invalidate(token))
		_, err = cache.Token(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, source.n.Load())
	})
}

// interrupted is a context in which something happens when it is first asked
// for its end: between a caller's look at the token and its flight.
type interrupted struct {
	context.Context
	once *sync.Once
	do   func()
}

func (c interrupted) Err() error {
	c.once.Do(c.do)
	return c.Context.Err()
}

// A token that came between a caller's look and its question is the one that it
// gets.
func TestTokenThatCameInBetween(t *testing.T) {
	t.Parallel()
	source := &counter{}
	cache := newCache(t, auth.CacheConfig{Source: source})
	token, err := cache.Token(interrupted{t.Context(), &sync.Once{}, func() {
		_, err := cache.Token(t.Context())
		require.NoError(t, err)
	}})
	require.NoError(t, err)
	require.Equal(t, "token-1", token.AccessToken.Reveal())
	require.EqualValues(t, 1, source.n.Load())
}

func TestFetchedHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetches []auth.Fetch
		cache := newCache(t, auth.CacheConfig{
			Source: &counter{takes: time.Second, life: time.Hour},
			Hooks:  auth.CacheHooks{Fetched: func(f auth.Fetch) { fetches = append(fetches, f) }},
		})
		for range 3 {
			_, err := cache.Token(t.Context())
			require.NoError(t, err)
			time.Sleep(57 * time.Minute)
		}
		synctest.Wait()
		require.Equal(t, []auth.Fetch{{Took: time.Second}, {Took: time.Second, Renewal: true}}, fetches[:2])
	})
}

// The trace of one request, which may be gone already, does not see how the token
// for all is fetched. Other values are there.
func TestSourceIsNotTraced(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := httptrace.WithClientTrace(context.WithValue(t.Context(), key{}, "trace id"), &httptrace.ClientTrace{
		GetConn:          func(string) { t.Error("a connection") },
		WroteHeaderField: func(string, []string) { t.Error("a field") },
	})
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
		require.Equal(t, "trace id", ctx.Value(key{}))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.URL, nil)
		require.NoError(t, err)
		req.SetBasicAuth("client", "secret")
		resp, err := endpoint.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return tokenOf("x"), nil
	})})
	_, err := cache.Token(ctx)
	require.NoError(t, err)
}

// A token whose renewal comes due while a hook is still told of it is renewed
// after that.
func TestRenewalAfterASlowHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{life: 40 * time.Second}
		first := true
		cache := newCache(t, auth.CacheConfig{Source: source, Hooks: auth.CacheHooks{Fetched: func(auth.Fetch) {
			if first {
				first = false
				time.Sleep(25 * time.Second)
			}
		}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cache.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for source.n.Load() == 1 {
			token, err := cache.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, "token-1", token.AccessToken.Reveal())
			time.Sleep(time.Second)
			synctest.Wait()
		}
		token, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.True(t, token.Expiry.After(time.Now().Add(30*time.Second)), "it was renewed before its end")
	})
}

func TestNewCacheReportsAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := auth.NewCache(auth.CacheConfig{Timeout: -1, MinBackoff: 2, MaxBackoff: 1, MinLifetime: 1 << 62, DefaultLifetime: -1})
	require.EqualError(t, err, `auth: CacheConfig.Source is nil
auth: CacheConfig.Timeout is -1ns: must not be negative
auth: CacheConfig.DefaultLifetime is -1ns: must not be negative
auth: CacheConfig.MinLifetime is 1281023h53m38.427387904s: must be at most 87600h0m0s
auth: CacheConfig.MinBackoff is 2ns: must not exceed MaxBackoff, 1ns`)
	_, err = auth.NewCache(auth.CacheConfig{Source: auth.SourceFunc(nil)})
	require.Error(t, err)
}
