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
		most   time.Duration // of a way
		limit  int
		say    func(h http.Header, left int, served bool)
		used   float64 // of what the server allows, at least
	}{
		"Retry-After of a second": {ratelimit.Config{}, 400 * ms, 10, func(h http.Header, _ int, served bool) {
			if !served {
				h.Set("Retry-After", "1")
			}
		}, 0.5},
		"remaining without a reset": {ratelimit.Config{}, 400 * ms, 50, func(h http.Header, left int, _ bool) {
			h.Set("X-RateLimit-Limit", "50")
			h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
		}, 0.4},
		"a reset in whole seconds": {ratelimit.Config{}, 50 * ms, 10, func(h http.Header, left int, _ bool) {
			say(h, "RateLimit-", 10, left, "1")
		}, 0.85},
		"a reset in whole seconds, and Retry-After": {ratelimit.Config{}, 50 * ms, 10, func(h http.Header, left int, served bool) {
			say(h, "RateLimit-", 10, left, "1")
			if !served {
				h.Set("Retry-After", "1")
			}
		}, 0.8},
		"a reset rounded down": {ratelimit.Config{}, 50 * ms, 10, func(h http.Header, left int, _ bool) {
			say(h, "RateLimit-", 10, left, "0")
		}, 0.8},
		"a reset as a Unix time": {ratelimit.Config{}, 50 * ms, 50, func(h http.Header, left int, _ bool) {
			say(h, "X-RateLimit-", 50, left, strconv.FormatInt(time.Now().Truncate(time.Second).Add(time.Second+370*ms).Unix(), 10))
		}, 0.85},
		"a reset in whole seconds, of the answers that have one": {ratelimit.Config{}, 50 * ms, 50, func(h http.Header, left int, _ bool) {
			if left%3 > 0 {
				say(h, "RateLimit-", 50, left, "1")
			}
		}, 0.8},
		"a remaining that is always 0": {ratelimit.Config{}, 50 * ms, 50, func(h http.Header, _ int, _ bool) {
			say(h, "RateLimit-", 50, 0, "1")
		}, 0.7},
		"evenly": {ratelimit.Config{Pace: ratelimit.Spread}, 50 * ms, 10, func(h http.Header, left int, _ bool) {
			say(h, "RateLimit-", 10, left, "1")
		}, 0.8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
				u := newUpstream(&second{limit: tt.limit, say: tt.say}, 1, 0)
				u.most = tt.most
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(2*time.Minute, cancel)
				u.work(ctx, newLimiter(t, tt.config), 32)
				t.Logf("%d of %d served, %d refused", u.ok, 120*tt.limit, u.refused)
				require.GreaterOrEqual(t, float64(u.ok), tt.used*120*float64(tt.limit))
			})
		})
	}
}
