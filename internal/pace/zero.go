package pace

import (
	"math"
	"time"
)

const (
	// After so many answers, each to a request that was sent after the one before,
	// a remaining of 0 that was never more tells nothing.
	zeroTrust = 3

	// A refusal below the pace that the limit allows doubles that, up to this.
	zeroTrustMost = 1 << 12

	// So often the pace doubles at most.
	zeroDoubles = 32
)

// zero is what speaks against the remaining of a window. Some servers tell 0 with
// each answer, since nobody has filled the field in, and serve all the same.
type zero struct {
	shown  bool          // more than 0 remained at some time, so it does tell something
	served int           // answers in a row that told 0 and were no refusals
	trust  int           // so many have to be
	heard  time.Duration // when the latest that counts came
}

// weigh takes in what r says for or against the remaining of w.
func (w *window) weigh(r *report) {
	z := &w.zero
	switch {
	case r.remaining > 0:
		z.shown = true
	case r.remaining < 0 || z.shown || r.sent < z.heard:
		return
	case !r.refused:
		z.served++
	case w.blank() && w.blankRate() == w.steady():
		z.served = z.trust // the limit is true: it starts anew from a slow pace
	default:
		z.served, z.trust = 0, min(2*z.trust, zeroTrustMost)
	}
	z.heard = r.now
}

// blank reports whether the remaining of w tells nothing. A quota of a single
// unit is never seen with more than 0.
func (w *window) blank() bool {
	z := &w.zero
	return !z.shown && w.limit >= 2 && z.served >= z.trust
}

// blankRate is how many units per second w allows if it is blank: twice as many
// after each answer, up to its limit by its length.
func (w *window) blankRate() float64 {
	doubles := min(w.zero.served-w.zero.trust+1, zeroDoubles)
	return min(w.steady(), math.Exp2(float64(doubles))/max(w.span(), time.Second).Seconds())
}
