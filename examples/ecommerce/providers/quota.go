package providers

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// quota is the rate limit of one provider: so many calls in each second of the clock.
type quota struct {
	perSecond int // 0 for no limit

	mu     sync.Mutex
	window time.Time
	used   int
}

// admit takes one call from the second that now lies in. It writes what is left into
// the headers of the answer and says whether the call may pass.
func (q *quota) admit(now time.Time, h http.Header) bool {
	if q.perSecond == 0 {
		return true
	}
	remaining, ok := q.take(now)
	h.Set("X-RateLimit-Limit", strconv.Itoa(q.perSecond))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", "1")
	if !ok {
		h.Set("Retry-After", "1")
	}
	return ok
}

func (q *quota) take(now time.Time) (remaining int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if window := now.Truncate(time.Second); !window.Equal(q.window) {
		q.window, q.used = window, 0
	}
	if q.used == q.perSecond {
		return 0, false
	}
	q.used++
	return q.perSecond - q.used, true
}
