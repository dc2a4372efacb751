package breaker_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
)

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	_, err := breaker.New(breaker.Config{
		FailureRatio: 1.5, SlowCall: -1, SlowRatio: math.Inf(1), MinCalls: -1, Window: time.Millisecond, OpenTimeout: -1,
		MaxOpenTimeout: -2, Jitter: 1.5, MaxRetryAfter: math.MaxInt64,
		Probes: -3, ProbeLease: -time.Second, MaxKeys: -1,
	})
	require.EqualError(t, err, strings.Join([]string{
		"breaker: Config.FailureRatio is 1.5: must be at most 1",
		"breaker: Config.SlowCall is -1ns: must be between 0 and a year",
		"breaker: Config.SlowRatio is +Inf: must be at most 1",
		"breaker: Config.MinCalls is -1: must not be negative",
		"breaker: Config.Window is 1ms: must be between 10ms and a year",
		"breaker: Config.OpenTimeout is -1ns: must be between 0 and a year",
		"breaker: Config.MaxOpenTimeout is -2ns: must be between 0 and a year",
		"breaker: Config.Jitter is 1.5: must be at most 1",
		"breaker: Config.MaxRetryAfter is 2562047h47m16.854775807s: must be at most a year",
		"breaker: Config.Probes is -3: must be between 0 and 1000000",
		"breaker: Config.ProbeLease is -1s: must be between 0 and a year",
		"breaker: Config.MaxKeys is -1: must not be negative",
	}, "\n"))
	for name, c := range map[string]breaker.Config{
		"FailureRatio": {FailureRatio: math.NaN()},
		"SlowRatio":    {SlowRatio: math.NaN()},
		"Jitter":       {Jitter: math.NaN()},
	} {
		_, err = breaker.New(c)
		require.EqualError(t, err, "breaker: Config."+name+" is NaN: must be at most 1")
	}
}

// A breaker that never opens is a mistake; one rule is enough.
func TestRulesMustNotAllBeOff(t *testing.T) {
	t.Parallel()
	off := breaker.Config{FailureRatio: -1, ConsecutiveFailures: -1}
	never := "breaker: Config.FailureRatio is -1: must not be off when all other rules are off too"
	_, err := breaker.New(off)
	require.EqualError(t, err, never)
	slow := off
	slow.SlowCall, slow.SlowRatio = time.Second, -1
	_, err = breaker.New(slow)
	require.EqualError(t, err, never)
	slow.SlowRatio = 0
	newBreaker(t, slow)
	own := off
	own.Trip = func(breaker.Counts) bool { return false }
	newBreaker(t, own)
}

func TestStateString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "closed half-open open unknown",
		fmt.Sprint(breaker.Closed, " ", breaker.HalfOpen, " ", breaker.Open, " ", breaker.State(9)))
}

func TestNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newBreaker(t, breaker.Config{}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}
