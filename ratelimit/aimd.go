package ratelimit

import "time"

// The constants of adaptive concurrency. The cut is that of AIMDLimit in
// Netflix's concurrency-limits, the start that of its Gradient2Limit. To grow by
// one with each answer or each round, as AIMDLimit and TCP do, made a server
// with eight places refuse 13 % of the calls for ever: so growth begins slowly
// after a cut, and gets faster for as long as all goes well.
const (
	aimdStart = 20
	aimdCut   = 0.9
	aimdStep  = 1.0 / 8 // calls for the first round after a cut
	aimdHaste = 1.0 / 8 // of the step, added to it in each round
)

// aimd finds how many calls a server takes at once: additive increase,
// multiplicative decrease. It is a pure core: it knows no clock and no lock.
type aimd struct {
	most  float64
	limit float64
	step  float64       // calls that a round of answers adds
	cut   time.Duration // when it was cut last, or 0
}

// newAIMD starts with the longest step: the limit grows by one with each answer.
func newAIMD(most int) *aimd {
	limit := float64(min(most, aimdStart))
	return &aimd{most: float64(most), limit: limit, step: float64(most)}
}

// slots returns the limit, which is at least 1.
func (a *aimd) slots() int { return int(a.limit) }

// observe takes notice of the answer to a call that began at the time began. A
// call that began before the last cut says nothing about the limit after it: all
// calls of a round that went too far cut once.
func (a *aimd) observe(now, began time.Duration, inFlight int, throttled bool) {
	switch {
	case throttled && began < a.cut:
	case throttled:
		a.limit = max(1, a.limit*aimdCut)
		a.step, a.cut = aimdStep, now
	case 2*float64(inFlight) < a.limit:
		// Those who ask for little prove nothing about much.
	default:
		a.step = min(a.limit, a.step+aimdHaste*a.step/a.limit)
		a.limit = min(a.most, a.limit+a.step/a.limit)
	}
}
