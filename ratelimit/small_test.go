package ratelimit_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// second serves so many requests in each second, and says of its quota what say
// does.
type second struct {
	limit, used int
	window      time.Duration
	say         func(h http.Header, left int, served bool)
}

func (s *second) serve(now time.Duration, h http.Header) bool {
	if window := now / time.Second; window != s.window {
		s.window, s.used = window, 0
	}
	served := s.used < s.limit
	if served {
		s.used++
	}
	s.say(h, s.limit-s.used, served)
	return served
}

// Limits of few requests a second refuse now and then, and are fresh again at
// once. Pauses that grow, or a guess of a minute, would leave most of them.
func TestSmallLimitsAreUsed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config ratelimit.Config
		limit  int
		say    func(h http.Header, left int, served bool)
		used   float64 // of what the server allows, at least
	}{
		"Retry-After of a second": {ratelimit.Config{}, 10, func(h http.Header, _ int, served bool) {
			if !served {
				h.Set("Retry-After", "1")
			}
		}, 0.5},
		"remaining without a reset": {ratelimit.Config{}, 50, func(h http.Header, left int, _ bool) {
			h.Set("X-RateLimit-Limit", "50")
			h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
		}, 0.4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(&second{limit: tt.limit, say: tt.say}, 1, 0)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(2*time.Minute, cancel)
				u.work(ctx, newLimiter(t, tt.config), 32)
				t.Logf("%d of %d served, %d refused", u.ok, 120*tt.limit, u.refused)
				require.GreaterOrEqual(t, float64(u.ok), tt.used*120*float64(tt.limit))
			})
		})
	}
}
