package ratelimit

import "math/rand/v2"

// flow is the waiters of one caller in one lane, first come first served.
//
// Flows share a lane by self-clocked fair queueing (Golestani, INFOCOM 1994):
// deficit round robin with a clock in place of the rounds. The clock counts
// tokens per flow. A flow has been served up to start, its first waiter is
// due at start plus its cost, and the lane serves whoever is due first. A flow
// that comes starts at the clock, so it neither overtakes what is due nor has
// anything saved up, and need not be remembered when it has gone.
type flow struct {
	name        string
	first, last *waiter
	start       int64 // the lane's clock up to which it was served
	backlog     int64 // what its waiters cost
	index       int   // in lane.heads

	// The place in lane.ends.
	left, right *flow
	rank        uint64
	flows       int   // of this subtree
	backlogs    int64 // likewise, their sum
	starts      int64 // likewise
}

// end is the lane's clock at which its last waiter is due.
func (f *flow) end() int64 { return f.start + f.backlog }

// due is the lane's clock at which its first waiter is due.
func (f *flow) due() int64 { return f.start + int64(f.first.cost) }

func (f *flow) push(w *waiter) {
	w.flow, w.older = f, f.last
	if f.last == nil {
		f.first = w
	} else {
		f.last.newer = w
	}
	f.last = w
	f.backlog += int64(w.cost)
}

func (f *flow) unlink(w *waiter) {
	if w.older == nil {
		f.first = w.newer
	} else {
		w.older.newer = w.newer
	}
	if w.newer == nil {
		f.last = w.older
	} else {
		w.newer.older = w.older
	}
	w.older, w.newer = nil, nil
	f.backlog -= int64(w.cost)
}

// headHeap orders flows by the time at which the first of each is due, and
// those that are due together by who came first.
type headHeap []*flow

func (h headHeap) Len() int { return len(h) }

func (h headHeap) Less(i, j int) bool {
	if a, b := h[i].due(), h[j].due(); a != b {
		return a < b
	}
	return h[i].first.seq < h[j].first.seq
}

func (h headHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds a flow.
func (h *headHeap) Push(x any) {
	f := x.(*flow)
	f.index = len(*h)
	*h = append(*h, f)
}

// Pop takes the last flow away.
func (h *headHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return f
}

// endTree orders flows by their ends. It is a treap that knows sums, so that
// what a newcomer has before it can be told without looking at all of them.
type endTree struct{ root *flow }

func (t *endTree) add(f *flow) {
	f.left, f.right, f.rank = nil, nil, rand.Uint64() // #nosec G404 -- balance needs no secrecy
	before, after := split(t.root, f)
	t.root = merge(merge(before, f.summed()), after)
}

func (t *endTree) remove(f *flow) { t.root = without(t.root, f) }

// last returns the flow that ends last, or nil.
func (t *endTree) last() *flow {
	f := t.root
	for f != nil && f.right != nil {
		f = f.right
	}
	return f
}

// served returns what is served of all flows up to the time due. It counts in
// part a waiter who is served as a whole later.
func (t *endTree) served(due int64) (cost int64) {
	for f := t.root; f != nil; {
		if f.end() <= due {
			cost += f.backlog
			if f.left != nil {
				cost += f.left.backlogs
			}
			f = f.right
			continue
		}
		cost += max(0, due-f.start)
		if r := f.right; r != nil {
			// The clock has passed all starts, and due is not behind it.
			cost += int64(r.flows)*due - r.starts
		}
		f = f.left
	}
	return cost
}

// before orders flows that end together by their names, which differ.
func (f *flow) before(g *flow) bool {
	if a, b := f.end(), g.end(); a != b {
		return a < b
	}
	return f.name < g.name
}

// summed returns f after it has summed up its subtree.
func (f *flow) summed() *flow {
	f.flows, f.backlogs, f.starts = 1, f.backlog, f.start
	for _, child := range [...]*flow{f.left, f.right} {
		if child != nil {
			f.flows += child.flows
			f.backlogs += child.backlogs
			f.starts += child.starts
		}
	}
	return f
}

// split divides the tree t into what is before f and the rest.
func split(t, f *flow) (before, after *flow) {
	switch {
	case t == nil:
		return nil, nil
	case t.before(f):
		t.right, after = split(t.right, f)
		return t.summed(), after
	}
	before, t.left = split(t.left, f)
	return before, t.summed()
}

// merge joins two trees, all of a before all of b.
func merge(a, b *flow) *flow {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		a.right = merge(a.right, b)
		return a.summed()
	}
	b.left = merge(a, b.left)
	return b.summed()
}

// without returns the tree t without f, which is in it.
func without(t, f *flow) *flow {
	switch {
	case t == f:
		return merge(t.left, t.right)
	case f.before(t):
		t.left = without(t.left, f)
	default:
		t.right = without(t.right, f)
	}
	return t.summed()
}
