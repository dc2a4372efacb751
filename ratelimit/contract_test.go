package ratelimit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func newLimiter(t testing.TB, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	require.NoError(t, err)
	return l
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]ratelimit.Config{
		"zero config":      {},
		"one per second":   {Rate: 1, Burst: 1},
		"fast":             {Rate: 1000, Burst: 10},
		"never waits":      {Rate: 0.1, MaxWait: -1},
		"waits for little": {Rate: 0.5, MaxWait: time.Second},
		"ignores servers":  {Rate: 10, MaxRetryAfter: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return newLimiter(t, c).Wrap },
				Hooked: func(callback func()) rttest.Middleware {
					c := c
					c.Rate, c.Burst = 500, 1
					c.Ready = func(*http.Request) error { callback(); return nil }
					c.Check = func(*http.Response) error { callback(); return nil }
					c.Key = func(req *http.Request) string { callback(); return req.URL.Host }
					c.Hooks = ratelimit.Hooks{
						Wait:    func(ratelimit.Wait) { callback() },
						Hold:    func(ratelimit.Hold) { callback() },
						Refused: func(*ratelimit.Error) { callback() },
					}
					return newLimiter(t, c).Wrap
				},
			})
		})
	}
}
