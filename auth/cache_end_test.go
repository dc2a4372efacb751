package auth_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
)

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: time.Hour}
		cache := newCache(t, auth.CacheConfig{Source: source, Timeout: 2 * time.Hour})
		begin := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := cache.Token(t.Context())
				require.ErrorIs(t, err, auth.ErrClosed)
				var e *auth.TokenError
				require.ErrorAs(t, err, &e)
				require.Equal(t, auth.Canceled, e.Kind)
				require.Zero(t, time.Since(begin))
			})
		}
		synctest.Wait()
		require.NoError(t, cache.Close())
		require.NoError(t, cache.Close())
		wg.Wait()
		_, err := cache.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrClosed)
		require.False(t, cache.Invalidate(tokenOf("x")))
	})
}

// What comes of a question from before Reset is not kept.
func TestResetWhileAsking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{takes: time.Second}
		cache := newCache(t, auth.CacheConfig{Source: source})
		go func() {
			token, err := cache.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, "token-1", token.AccessToken.Reveal())
		}()
		synctest.Wait()
		cache.Reset()
		time.Sleep(2 * time.Second)
		require.False(t, cache.Snapshot().Usable)
		token, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "token-2", token.AccessToken.Reveal())
		require.True(t, cache.Snapshot().Usable)
	})
}

// Whoever comes after Reset gets nothing that was asked for before it, neither a
// token nor a failure.
func TestTokenAfterReset(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"token": nil, "failure": &auth.TokenError{Kind: auth.Permanent, Code: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := &counter{}
				asking := 0
				cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
					asking++
					defer func() { asking-- }()
					require.Equal(t, 1, asking, "one at a time")
					time.Sleep(time.Second)
					token, _ := source.Token(ctx)
					if token.AccessToken.Reveal() == "token-1" && failure != nil {
						return nil, failure
					}
					return token, nil
				})})
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := cache.Token(t.Context())
					require.Equal(t, failure != nil, err != nil)
				})
				time.Sleep(time.Second / 2)
				cache.Reset()
				for range 10 {
					wg.Go(func() {
						token, err := cache.Token(t.Context())
						require.NoError(t, err)
						require.Equal(t, "token-2", token.AccessToken.Reveal())
						require.Equal(t, 2*time.Second, time.Since(begin))
					})
				}
				wg.Wait()
				require.EqualValues(t, 2, cache.Snapshot().Fetches)
			})
		})
	}
}

// A Source that takes no notice of Close brings a token that nobody gets.
func TestTokenAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			time.Sleep(time.Second)
			return tokenOf("late"), nil
		})})
		go func() { _, _ = cache.Token(t.Context()) }()
		synctest.Wait()
		require.NoError(t, cache.Close())
		time.Sleep(2 * time.Second)
		_, err := cache.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrClosed)
	})
}
