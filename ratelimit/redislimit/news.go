package redislimit

import "time"

// news is what this replica has learnt from the upstream and has not told to
// Redis yet. All dates are durations since the Limiter's start, so that what
// waits for Redis does not last longer for it.
type news struct {
	held      time.Duration // the end of a pause
	remaining int           // of the window that ends at reset
	reset     time.Duration
	urgent    bool // does not wait for the next lease
}

// window takes what an answer says of its window. It keeps the rule of the
// script: within a window the lower number, and the later window of two.
func (n *news) window(now time.Duration, remaining int, reset time.Duration) {
	switch {
	case n.reset <= now || reset > n.reset+windowGuard:
		n.remaining, n.reset = remaining, reset
	case reset >= n.reset-windowGuard:
		n.remaining = min(n.remaining, remaining)
	}
}

// windowGuard is by how much the end of one window may seem to move: upstreams
// tell it in whole seconds.
const windowGuard = time.Second
