package breaker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func newBreaker(t testing.TB, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(c)
	require.NoError(t, err)
	return b
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]breaker.Config{
		"zero config":      {},
		"one failure":      {ConsecutiveFailures: 1, OpenTimeout: time.Second},
		"ratio only":       {ConsecutiveFailures: -1, MinCalls: 1},
		"slow calls":       {SlowCall: time.Nanosecond, SlowRatio: 0.1, MinCalls: 1, OpenTimeout: time.Millisecond},
		"open for an hour": {ConsecutiveFailures: 2, OpenTimeout: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return newBreaker(t, c).Wrap },
				Hooked: func(callback func()) rttest.Middleware {
					c := c
					c.OpenTimeout = time.Millisecond
					c.Check = func(*http.Response) error { callback(); return nil }
					c.Classify = func(error) breaker.Verdict { callback(); return breaker.ByDefault }
					c.Trip = func(breaker.Counts) bool { callback(); return false }
					c.Key = func(req *http.Request) string { callback(); return req.URL.Host }
					c.Hooks = breaker.Hooks{
						StateChange: func(breaker.Change) { callback() },
						Refused:     func(*breaker.OpenError) { callback() },
					}
					return newBreaker(t, c).Wrap
				},
			})
		})
	}
}
