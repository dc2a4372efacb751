package redislimit_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config redislimit.Config
		broken func(*fakeRedis)
	}{
		"one per second":    {redislimit.Config{Rate: 1, Burst: 1}, nil},
		"fast":              {redislimit.Config{Rate: 1000, Burst: 100}, nil},
		"never waits":       {redislimit.Config{Rate: 0.1, MaxWait: -1}, nil},
		"waits for little":  {redislimit.Config{Rate: 0.5, MaxWait: time.Second}, nil},
		"ignores upstreams": {redislimit.Config{Rate: 10, MaxRetryAfter: -1}, nil},
		"down, local share": {redislimit.Config{Rate: 100}, func(f *fakeRedis) { f.down = true }},
		"down, open":        {redislimit.Config{Rate: 10, Mode: redislimit.FailOpen}, func(f *fakeRedis) { f.down = true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newFake := func() *fakeRedis {
				f := newFake()
				if tt.broken != nil {
					tt.broken(f)
				}
				return f
			}
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return newLimiter(t, newFake(), tt.config).Wrap },
				Hooked: func(callback func()) rttest.Middleware {
					f, c := newFake(), tt.config
					c.Rate, c.Burst, c.Timeout, c.Probe = 500, 1, 5*ms, ms
					c.Eval = func(ctx context.Context, script string, keys, args []string) (any, error) {
						callback()
						return f.Eval(ctx, script, keys, args)
					}
					c.Ready = func(*http.Request) error { callback(); return nil }
					c.Check = func(*http.Response) error { callback(); return nil }
					c.Key = func(req *http.Request) string { callback(); return req.URL.Host }
					c.Hooks = redislimit.Hooks{
						Lease:     func(redislimit.Lease) { callback() },
						Degraded:  func(redislimit.Outage) { callback() },
						Recovered: func(redislimit.Outage) { callback() },
						Refused:   func(*redislimit.Error) { callback() },
					}
					return newLimiter(t, f, c).Wrap
				},
			})
		})
	}
}
