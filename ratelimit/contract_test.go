package ratelimit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
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
		"a few in flight":  {MaxInFlight: 2, Lease: time.Minute},
		"one in flight":    {Rate: 5, MaxInFlight: 1},
		"lanes and flows":  {Rate: 5, MaxQueue: 3, Flow: func(req *http.Request) string { return req.Method }},
		"adaptive":         {AdaptiveRate: true, AdaptiveConcurrency: true},
		"adaptive, capped": {Rate: 10, MaxInFlight: 5, AdaptiveRate: true, AdaptiveConcurrency: true},
		"true costs":       {Rate: 10, Cost: func(*http.Response) (float64, bool) { return 3.5, true }},
		"learning":         {ProbeFirst: true, Reserve: 0.1, Pace: ratelimit.Burst},
		"deaf":             {Rate: 10, IgnoreQuotas: true},
		"credentials":      {Rate: 10, Credential: ratelimit.CredentialOf},
		"shadow":           {Rate: 1, MaxInFlight: 1, MaxWait: time.Second, Shadow: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware {
					return func(next http.RoundTripper) http.RoundTripper { return newLimiter(t, c).Wrap(speaking{next}) }
				},
				Hooked: func(callback func()) rttest.Middleware {
					c := c
					c.Rate, c.Burst = 500, 1
					if c.MaxInFlight > 0 {
						c.MaxInFlight = 1
					}
					c.Ready = func(*http.Request) error { callback(); return nil }
					c.Check = func(*http.Response) error { callback(); return nil }
					c.Key = func(req *http.Request) string { callback(); return req.URL.Host }
					c.Flow = func(*http.Request) string { callback(); return "flow" }
					c.Credential = func(req *http.Request) string { callback(); return ratelimit.CredentialOf(req) }
					c.Route = func(req *http.Request) string { callback(); return req.URL.Path }
					c.Cost = func(*http.Response) (float64, bool) { callback(); return 1, true }
					c.Hooks = ratelimit.Hooks{
						Wait:    func(ratelimit.Wait) { callback() },
						Hold:    func(ratelimit.Hold) { callback() },
						Replan:  func(ratelimit.Replan) { callback() },
						Refused: func(*ratelimit.Error) { callback() },

						Plan:      func(ratelimit.PlanChange) { callback() },
						Malformed: func(ratelimit.Malformed) { callback() },
					}
					return func(next http.RoundTripper) http.RoundTripper { return newLimiter(t, c).Wrap(speaking{next}) }
				},
			})
		})
	}
}

// speaking is a transport whose answers tell of quotas, and of a part, and have
// bodies that may tell more.
type speaking struct{ http.RoundTripper }

func (s speaking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(req)
	if err == nil && resp.Header != nil {
		resp.Header.Set("X-RateLimit-Limit", "1000000")
		resp.Header.Set("X-RateLimit-Remaining", "999999")
		resp.Header.Set("X-RateLimit-Reset-After", "0.5")
		resp.Header.Set("X-RateLimit-Used", "malformed")
		resp.Header.Set("Content-Type", "application/json")
		if req.Method == http.MethodGet {
			resp.Header.Set("X-RateLimit-Bucket", "reads")
		}
	}
	return resp, err
}

// CloseIdleConnections reaches the transport below.
func (s speaking) CloseIdleConnections() { httpx.CloseIdle(s.RoundTripper) }
