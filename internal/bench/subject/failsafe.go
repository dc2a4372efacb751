package subject

import (
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
)

// Failsafe is failsafe-go's RoundTripper with its retry policy for HTTP, rate
// limiter and circuit breaker. It has one limiter and one circuit for all
// hosts.
func Failsafe() Subject {
	return Subject{Name: "failsafe-go", Wrap: func(next http.RoundTripper) http.RoundTripper {
		retries := failsafehttp.NewRetryPolicyBuilder().
			WithMaxAttempts(Attempts).
			ReturnLastFailure().
			Build()
		return failsafehttp.NewRoundTripper(next, retries, failsafeLimiter(), failsafeCircuit())
	}}
}

// FailsafeLimit is failsafe-go's RoundTripper with its rate limiter alone.
func FailsafeLimit() Subject {
	return Subject{Name: "failsafe-go-limiter", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return failsafehttp.NewRoundTripper(next, failsafeLimiter())
	}}
}

// FailsafeBreaker is failsafe-go's RoundTripper with its circuit breaker alone.
func FailsafeBreaker() Subject {
	return Subject{Name: "failsafe-go-breaker", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return failsafehttp.NewRoundTripper(next, failsafeCircuit())
	}}
}

func failsafeLimiter() ratelimiter.RateLimiter[*http.Response] {
	return ratelimiter.NewBurstyBuilder[*http.Response](perSecond, time.Second).
		WithMaxWaitTime(time.Minute).
		Build()
}

func failsafeCircuit() circuitbreaker.CircuitBreaker[*http.Response] {
	return circuitbreaker.NewBuilder[*http.Response]().
		HandleIf(failure).
		WithFailureRateThreshold(1, minCalls, window).
		WithDelay(openTimeout).
		Build()
}

func failure(resp *http.Response, err error) bool {
	return err != nil || resp.StatusCode >= http.StatusInternalServerError
}
