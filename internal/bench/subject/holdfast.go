package subject

import (
	"context"
	"net/http"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// Holdfast is the stack of retry, limiter and breaker.
func Holdfast() Subject {
	return Subject{Name: "holdfast", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newStack(next, burst)
	}}
}

// HoldfastSmall is the same with a bucket as small as real limits want it.
func HoldfastSmall() Subject {
	return Subject{Name: "holdfast-small", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newStack(next, smallBurst)
	}}
}

// HoldfastRetry is package retry alone.
func HoldfastRetry() Subject {
	return Subject{Name: "holdfast-retry", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newPolicy().Wrap(next)
	}}
}

// HoldfastLimit is package ratelimit alone.
func HoldfastLimit() Subject {
	return Subject{Name: "holdfast-ratelimit", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newLimiter(burst, nil).Wrap(next)
	}}
}

// HoldfastLimitSmall is the same with a bucket as small as real limits want it.
func HoldfastLimitSmall() Subject {
	return Subject{Name: "holdfast-ratelimit-small", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newLimiter(smallBurst, nil).Wrap(next)
	}}
}

// HoldfastBreaker is package breaker alone.
func HoldfastBreaker() Subject {
	return Subject{Name: "holdfast-breaker", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newBreaker().Wrap(next)
	}}
}

// HoldfastAuth is package auth alone: a bearer token that is fetched once, from
// a cache.
func HoldfastAuth() Subject {
	return Subject{Name: "holdfast-auth", Wrap: func(next http.RoundTripper) http.RoundTripper {
		cache := must(auth.NewCache(auth.CacheConfig{Source: auth.SourceFunc(token)}))
		return must(auth.New(auth.Config{Authorizer: auth.Bearer(cache)})).Wrap(next)
	}}
}

func token(context.Context) (*auth.Token, error) {
	return &auth.Token{AccessToken: auth.NewSecret(AccessToken), ExpiresIn: tokenLife}, nil
}

func newPolicy() *retry.Policy {
	return must(retry.New(retry.Config{MaxAttempts: Attempts, Backoff: exponential}))
}

func newStack(next http.RoundTripper, tokens int) http.RoundTripper {
	circuits := newBreaker()
	return holdfast.Chain(next, newPolicy().Wrap, newLimiter(tokens, circuits.Ready).Wrap, circuits.Wrap)
}

func newLimiter(tokens int, ready func(*http.Request) error) *ratelimit.Limiter {
	return must(ratelimit.New(ratelimit.Config{Rate: perSecond, Burst: tokens, Ready: ready}))
}

func newBreaker() *breaker.Breaker {
	return must(breaker.New(breaker.Config{
		ConsecutiveFailures: -1,
		FailureRatio:        1,
		MinCalls:            minCalls,
		Window:              window,
		OpenTimeout:         openTimeout,
	}))
}

// must panics when a Config of this file is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
