package ratelimit

import (
	"container/heap"
	"time"
)

// A queue is the waiters of one bucket. It exists only while there are some.
//
// The lanes share the tokens as the flows of a lane do, on a clock of their own
// that a token of a lane moves by the lane's stride. The clocks begin anew with
// each queue; without that they last for 10^17 tokens. The lock of the bucket
// guards all of it.
type queue struct {
	lanes  [3]lane
	clock  int64
	count  int
	seq    uint64
	expiry expiryHeap
	timer  *time.Timer
	alarm  time.Duration // what the timer is set to

	unplanned float64 // tokens charged since replan looked at all who wait
}

// waiter is a call in the queue.
type waiter struct {
	need

	lane         *lane
	flow         *flow
	older, newer *waiter // in its flow
	seq          uint64
	expires      time.Duration // after this time it is too late
	tooLate      Reason        // why it is, then
	expiryIndex  int
	due          time.Duration // when its turn comes, as was foreseen last

	queued  bool
	done    chan struct{} // closed when it is not queued any more, unless it went by itself
	refused *Error        // nil if its turn has come
}

// The strides are to each other as the inverse of the shares 15, 4 and 1.
var strides = [3]int64{4, 15, 60}

func newQueue() *queue {
	q := &queue{}
	for i := range q.lanes {
		q.lanes[i].stride = strides[i]
	}
	return q
}

// laneOf returns the lane of a priority. The lanes stand in the order in which
// they are served when they are due together.
func (q *queue) laneOf(p Priority) *lane { return &q.lanes[Interactive-p] }

// ahead returns what is served before a newcomer of that kind if nobody else
// comes or leaves. It is exact if each costs one token; else it may be too much
// by less than a call for each flow and lane.
func (q *queue) ahead(p Priority, flow string, cost int) int64 {
	own := q.laneOf(p)
	work := own.ends.served(own.due(flow, cost))
	start := own.start
	if own.count == 0 {
		start = q.clock
	}
	due := start + (work+int64(cost))*own.stride
	for i := range q.lanes {
		l := &q.lanes[i]
		if l == own || l.count == 0 {
			continue
		}
		until := due
		if i > int(Interactive-p) {
			until-- // it would have to be due earlier, not together
		}
		work += min(l.cost, max(0, until-l.start)/l.stride)
	}
	return work
}

func (q *queue) push(w *waiter, flow string) {
	q.seq++
	w.seq, w.queued, w.lane = q.seq, true, q.laneOf(w.priority)
	if w.lane.count == 0 {
		w.lane.start = q.clock
	}
	w.lane.push(w, flow)
	q.count++
	if w.expires < forever {
		heap.Push(&q.expiry, w)
	}
}

// next returns the waiter whose turn it is. There must be one.
func (q *queue) next() *waiter {
	var next *waiter
	var due int64
	for i := range q.lanes {
		l := &q.lanes[i]
		if w := l.first(); w != nil {
			if d := l.start + int64(w.cost)*l.stride; next == nil || d < due {
				next, due = w, d
			}
		}
	}
	return next
}

// serve removes w, whose turn it is.
func (q *queue) serve(w *waiter) {
	l := w.lane
	q.clock = max(q.clock, l.start+int64(w.cost)*l.stride)
	l.start = q.clock
	l.serve(w)
	q.removed(w)
}

// drop removes w, wherever it is.
func (q *queue) drop(w *waiter) {
	w.lane.drop(w)
	q.removed(w)
}

func (q *queue) removed(w *waiter) {
	w.queued = false
	q.count--
	if w.expires < forever {
		heap.Remove(&q.expiry, w.expiryIndex)
	}
}

// expired returns a waiter for whom it is too late after the time now, or nil.
func (q *queue) expired(now time.Duration) *waiter {
	if len(q.expiry) > 0 && q.expiry[0].expires <= now {
		return q.expiry[0]
	}
	return nil
}

// loser returns who has to give way to a newcomer when the queue is full: the
// last of the lowest lane, if that is lower than the newcomer's, or the same
// and the newcomer would be served earlier because others of its flow are few.
// nil means the newcomer.
func (q *queue) loser(p Priority, flow string, cost int) *waiter {
	for low := Batch; low <= p; low++ {
		l := q.laneOf(low)
		if l.count == 0 {
			continue
		}
		last := l.ends.last()
		if low == p && l.due(flow, cost) >= last.end() {
			return nil
		}
		return last.last
	}
	return nil
}

// work returns what all waiters cost together.
func (q *queue) work() (cost int64) {
	for i := range q.lanes {
		cost += q.lanes[i].cost
	}
	return cost
}

// expiryHeap orders waiters by the time after which it is too late.
type expiryHeap []*waiter

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].expiryIndex, h[j].expiryIndex = i, j
}

// Push adds a waiter.
func (h *expiryHeap) Push(x any) {
	w := x.(*waiter)
	w.expiryIndex = len(*h)
	*h = append(*h, w)
}

// Pop takes the last waiter away.
func (h *expiryHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return w
}
