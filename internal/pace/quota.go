package pace

import (
	"math"
	"time"
)

// Unit is what a quota counts. The numbers are only compared; 0 stands for
// requests. A quota of a unit from [Units] on is ignored.
type Unit uint8

// Units is how many units a Cost has room for.
const Units = 8

// Cost is what a request uses up, by unit. A request that costs nothing of a
// unit, or nobody knows how much, still waits while none of it is left.
type Cost [Units]float64

// Quota is what an answer reveals of one quota. Negative numbers stand for what
// is not known.
type Quota struct {
	// Policy, Resource and Partition name the quota. All may be empty; quotas
	// without a Policy are told apart by their Window.
	Policy, Resource, Partition string

	// Unit is what the quota counts.
	Unit Unit

	// Limit is the whole of it, Remaining what is left, Used the difference.
	Limit, Remaining, Used float64

	// Window is how long the quota lasts; ResetIn is when it starts anew,
	// counted from the answer.
	Window, ResetIn time.Duration

	// FillRate is how many units per second flow back into a token bucket.
	FillRate float64
}

const (
	year     = 365 * 24 * time.Hour
	maxUnits = 1e15 // the largest number of units that is believed
	maxName  = 256  // the longest name of a quota, in bytes
	unknown  = -1

	// A quota that does not say when it starts anew is asked for again after
	// this time at the latest. It is what GitHub advises for its limits without
	// a reset.
	unknownReset = time.Minute
)

// identity tells windows apart.
type identity struct {
	policy, resource, partition string
	unit                        Unit
	length                      time.Duration // only of a quota without a policy
}

// report is a Quota, checked, with the times that belong to it.
type report struct {
	id                     identity
	limit, remaining, fill float64
	length                 time.Duration
	sent, now              time.Duration // when its request went out, and its answer came
	from, to               time.Duration // the reset lies between
	due                    time.Duration // when to ask for the reset, if the server rounds up
	blur                   time.Duration // how far the time until the reset may be from the truth
	timed                  bool          // the answer said when
	refused                bool          // the answer was a throttle
	in                     time.Duration // the time until then, as it was told or is most likely
}

// read checks q. It reports false if q says nothing.
func (r *report) read(q *Quota, sent, now, guard time.Duration) bool {
	if q.Unit >= Units || len(q.Policy) > maxName || len(q.Resource) > maxName || len(q.Partition) > maxName {
		return false
	}
	*r = report{
		id:        identity{q.Policy, q.Resource, q.Partition, q.Unit, 0},
		limit:     amount(q.Limit),
		remaining: amount(q.Remaining),
		fill:      amount(q.FillRate),
		length:    span(q.Window),
		sent:      sent,
		now:       now,
	}
	if r.length == 0 {
		r.length = unknown
	}
	if q.Policy == "" {
		r.id.length = r.length
	}
	if r.fill == 0 {
		r.fill = unknown
	}
	r.readAmounts(amount(q.Used))
	if r.remaining < 0 && (r.limit < 0 || r.length < 0) {
		return false
	}
	r.readReset(span(q.ResetIn), guard)
	return true
}

// readAmounts works out what is missing of limit and remaining. Where they
// contradict each other, the stricter one is believed.
func (r *report) readAmounts(used float64) {
	switch {
	case used < 0:
	case r.limit >= 0 && r.remaining >= 0:
		r.remaining = min(r.remaining, max(0, r.limit-used))
	case r.limit >= 0:
		r.remaining = max(0, r.limit-used)
	case r.remaining >= 0:
		r.limit = r.remaining + used
	}
	if r.limit >= 0 {
		r.remaining = min(r.remaining, r.limit)
	}
}

// readReset works out between which times the reset lies. The server counted
// from a time between sent and now, and rounded.
func (r *report) readReset(in, guard time.Duration) {
	r.timed, r.due = in >= 0, year
	switch {
	case r.timed:
		if in%time.Second != 0 {
			guard /= 4
		}
		r.from, r.to, r.in = r.sent+in-guard, r.now+in+guard, max(in, guard/4)
		if r.length >= max(in, 4*guard) { // a short window is asked for when it is due
			r.to = min(r.to, r.now+r.length) // no reset is farther away than that
		}
		r.due, r.blur = r.sent+in, guard // who asks then comes as long after it as this one did
	case r.fill > 0 && r.limit >= 0 && r.remaining >= 0:
		full := time.Duration(min((r.limit-r.remaining)/r.fill, year.Seconds()) * float64(time.Second))
		r.timed = true
		r.from, r.to, r.in = r.sent+full-guard/4, r.now+full+guard/4, full+guard/4
	case r.length >= 0:
		r.from, r.to, r.in = r.sent, r.now+r.length, r.length
	default:
		r.from, r.to, r.in = r.sent, r.now+unknownReset, unknownReset
	}
}

// amount returns n, or unknown if it is no sensible amount.
func amount(n float64) float64 {
	if !(n >= 0) || math.IsInf(n, 1) {
		return unknown
	}
	return min(n, maxUnits)
}

// span returns d, at most a year, or unknown.
func span(d time.Duration) time.Duration {
	if d < 0 {
		return unknown
	}
	return min(d, year)
}
