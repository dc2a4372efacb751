package ratelimit

import "container/heap"

// walk calls visit for each waiter in the order of service, as it would be if
// nobody came. A waiter for whom visit returns false is taken to go away
// without being served. The queue itself is not changed. It costs the number of
// waiters times the logarithm of the number of flows.
func (q *queue) walk(visit func(*waiter) bool) {
	var walks [len(q.lanes)]laneWalk
	for i := range q.lanes {
		walks[i] = q.lanes[i].walk()
	}
	clock := q.clock
	for {
		var next *laneWalk
		var due int64
		for i := range walks {
			l := &walks[i]
			if len(l.heads) > 0 {
				if d := l.start + int64(l.heads[0].at.cost)*l.stride; next == nil || d < due {
					next, due = l, d
				}
			}
		}
		if next == nil {
			return
		}
		if next.step(visit) {
			clock = max(clock, due)
			next.start = clock
		}
	}
}

// laneWalk is the state of a lane that a walk changes.
type laneWalk struct {
	heads        cursorHeap
	stride       int64
	start, clock int64
}

// cursor is the state of a flow that a walk changes.
type cursor struct {
	at    *waiter
	start int64
}

func (l *lane) walk() laneWalk {
	w := laneWalk{stride: l.stride, start: l.start, clock: l.clock}
	for _, f := range l.heads { // a heap, in the same order as that of the cursors
		w.heads = append(w.heads, cursor{f.first, f.start})
	}
	return w
}

// step visits the first waiter of the lane and returns what visit did.
func (l *laneWalk) step(visit func(*waiter) bool) bool {
	head := &l.heads[0]
	served := visit(head.at)
	if served {
		l.clock = max(l.clock, head.due())
		head.start = l.clock
	}
	if head.at = head.at.newer; head.at == nil {
		heap.Pop(&l.heads)
	} else {
		heap.Fix(&l.heads, 0)
	}
	return served
}

func (c cursor) due() int64 { return c.start + int64(c.at.cost) }

// cursorHeap has the order of headHeap.
type cursorHeap []cursor

func (h cursorHeap) Len() int { return len(h) }

func (h cursorHeap) Less(i, j int) bool {
	if a, b := h[i].due(), h[j].due(); a != b {
		return a < b
	}
	return h[i].at.seq < h[j].at.seq
}

func (h cursorHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is never called: a walk only takes away.
func (h *cursorHeap) Push(x any) { *h = append(*h, x.(cursor)) }

// Pop takes the last cursor away.
func (h *cursorHeap) Pop() any {
	last := len(*h) - 1
	*h = (*h)[:last]
	return nil
}
