package auth_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
)

type oauth2Func func() (*oauth2.Token, error)

func (f oauth2Func) Token() (*oauth2.Token, error) { return f() }

func TestFromOAuth2(t *testing.T) {
	t.Parallel()
	expiry := time.Now().Add(time.Hour)
	theirs := (&oauth2.Token{AccessToken: "access", TokenType: "bearer", RefreshToken: "refresh", Expiry: expiry}).
		WithExtra(map[string]any{"scope": "a b", "id_token": "x\"y"})
	token, err := auth.FromOAuth2(oauth2.StaticTokenSource(theirs)).Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, &auth.Token{
		AccessToken: auth.NewSecret("access"), Type: "bearer", RefreshToken: auth.NewSecret("refresh"), Expiry: expiry,
		Scopes: []string{"a", "b"}, Extra: map[string]auth.Secret{"id_token": auth.NewSecret(`"x\"y"`)},
	}, token)

	cache := newCache(t, auth.CacheConfig{Source: auth.FromOAuth2(oauth2Func(func() (*oauth2.Token, error) { return nil, nil }))})
	_, err = cache.Token(t.Context())
	require.ErrorContains(t, err, "no token and no error")
}

func TestErrorsFromOAuth2(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := canary.Secret("client secret")
	answer := func(status int) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}}
	}
	for name, c := range map[string]struct {
		err  *oauth2.RetrieveError
		want auth.TokenError
	}{
		"permanent":   {&oauth2.RetrieveError{Response: answer(400), ErrorCode: "invalid_grant", Body: []byte(secret)}, auth.TokenError{Kind: auth.Permanent, Status: 400, Code: "invalid_grant", Wait: 7 * time.Second}},
		"unavailable": {&oauth2.RetrieveError{Response: answer(503), Body: []byte(secret)}, auth.TokenError{Kind: auth.Transient, Status: 503, Wait: 7 * time.Second}},
		"no answer":   {&oauth2.RetrieveError{ErrorCode: "x", Body: []byte(secret)}, auth.TokenError{Kind: auth.Protocol, Code: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.FromOAuth2(oauth2Func(func() (*oauth2.Token, error) { return nil, c.err })).Token(t.Context())
			var e *auth.TokenError
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, *e)
			canary.Check(t, "error", err)
		})
	}
	other := errors.New("other")
	_, err := auth.FromOAuth2(oauth2Func(func() (*oauth2.Token, error) { return nil, other })).Token(t.Context())
	require.ErrorIs(t, err, other)
}

// A lifetime that is over does not become none.
func TestToOAuth2Expired(t *testing.T) {
	t.Parallel()
	token, err := auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		return &auth.Token{AccessToken: auth.NewSecret("x"), ExpiresIn: -time.Second}, nil
	})).Token()
	require.NoError(t, err)
	require.False(t, token.Valid())
}

func TestToOAuth2(t *testing.T) {
	t.Parallel()
	expiry := time.Now().Add(time.Hour)
	ours := &auth.Token{
		AccessToken: auth.NewSecret("access"), RefreshToken: auth.NewSecret("refresh"), Expiry: expiry, Scopes: []string{"a", "b"},
		Extra: map[string]auth.Secret{"id_token": auth.NewSecret(`"x"`), "n": auth.NewSecret("7"), "broken": auth.NewSecret("{")},
	}
	ts := auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) { return ours, nil }))
	token, err := ts.Token()
	require.NoError(t, err)
	require.Equal(t, "access", token.AccessToken)
	require.Equal(t, "refresh", token.RefreshToken)
	require.Equal(t, expiry, token.Expiry)
	require.Equal(t, "x", token.Extra("id_token"))
	require.InDelta(t, 7, token.Extra("n"), 0)
	require.Equal(t, "a b", token.Extra("scope"))
	require.Nil(t, token.Extra("broken"))
	again, err := ts.Token()
	require.NoError(t, err)
	require.NotSame(t, token, again)

	// There and back.
	back, err := auth.FromOAuth2(ts).Token(t.Context())
	require.NoError(t, err)
	require.True(t, back.AccessToken.Equal(ours.AccessToken))
	require.Equal(t, ours.Scopes, back.Scopes)

	ts = auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		return &auth.Token{AccessToken: auth.NewSecret("x"), ExpiresIn: 1 << 62}, nil
	}))
	token, err = ts.Token()
	require.NoError(t, err)
	require.True(t, token.Expiry.After(time.Now()))

	ts = auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) { return nil, nil }))
	_, err = ts.Token()
	require.Error(t, err)
}

func TestErrorsToOAuth2(t *testing.T) {
	t.Parallel()
	failure := &auth.TokenError{Kind: auth.Permanent, Status: 400, Code: "invalid_grant", Description: "gone"}
	_, err := auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) { return nil, failure })).Token()
	require.ErrorIs(t, err, auth.ErrReauthRequired)
	var e *oauth2.RetrieveError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "invalid_grant", e.ErrorCode)
	require.Equal(t, 400, e.Response.StatusCode)
	require.Empty(t, e.Body)
	require.NotEmpty(t, e.Error())

	other := errors.New("other")
	_, err = auth.ToOAuth2(t.Context(), auth.SourceFunc(func(context.Context) (*auth.Token, error) { return nil, other })).Token()
	require.ErrorIs(t, err, other)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = auth.ToOAuth2(ctx, newCache(t, auth.CacheConfig{Source: &counter{takes: time.Hour}})).Token()
	require.ErrorIs(t, err, context.Canceled)
}

// Two reusing sources over one Source write to their tokens: each has its own.
func TestOAuth2TokensAreNotShared(t *testing.T) {
	t.Parallel()
	cache := newCache(t, auth.CacheConfig{Source: &counter{life: time.Hour}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ts := oauth2.ReuseTokenSourceWithExpiry(nil, auth.ToOAuth2(t.Context(), cache), time.Minute)
			for range 10 {
				token, err := ts.Token()
				require.NoError(t, err)
				token.AccessToken = "mine"
			}
		})
	}
	wg.Wait()
	token, err := cache.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-1", token.AccessToken.Reveal())
}
