package ratelimit

import "time"

// The constants of adaptive concurrency. The cut is that of AIMDLimit in
// Netflix's concurrency-limits, the start likewise. Growth is that of TCP
// (RFC 5681): one for each answer until the first throttle, then one for each
// round.
const (
	aimdStart = 20
	aimdCut   = 0.9
)

// aimd finds how many calls a server takes at once: additive increase,
// multiplicative decrease. It is a pure core: it knows no clock and no lock.
type aimd struct {
	most  float64
	limit float64
	cut   time.Duration // when it was cut last
	found bool          // it was cut once, so the limit is near
}

func newAIMD(most int) *aimd {
	return &aimd{most: float64(most), limit: float64(min(most, aimdStart))}
}

// slots returns the limit, which is at least 1.
func (a *aimd) slots() int { return int(a.limit) }

// observe takes notice of the answer to a call that began at the time began. A
// call that began before the last cut says nothing about the limit after it: all
// calls of a round that went too far cut once.
func (a *aimd) observe(now, began time.Duration, inFlight int, throttled bool) {
	switch {
	case throttled && a.found && began < a.cut:
	case throttled:
		a.limit = max(1, a.limit*aimdCut)
		a.cut, a.found = now, true
	case 2*float64(inFlight) < a.limit:
		// Those who ask for little prove nothing about much.
	case a.found:
		a.limit = min(a.most, a.limit+1/a.limit)
	default:
		a.limit = min(a.most, a.limit+1)
	}
}
