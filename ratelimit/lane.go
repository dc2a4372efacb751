package ratelimit

import "container/heap"

// lane is the waiters of one priority. Each operation costs at most the
// logarithm of the number of flows.
type lane struct {
	stride int64 // what a token costs on the clock of the queue
	flows  map[string]*flow
	heads  headHeap
	ends   endTree
	clock  int64 // of the lane: when the last waiter served was due
	start  int64 // the queue's clock up to which the lane was served
	cost   int64 // of all waiters
	count  int
}

// first returns the waiter who is next in the lane, or nil.
func (l *lane) first() *waiter {
	if len(l.heads) == 0 {
		return nil
	}
	return l.heads[0].first
}

// due is when a waiter would be due who joined the flow of that name now.
func (l *lane) due(name string, cost int) int64 {
	if f := l.flows[name]; f != nil {
		return f.end() + int64(cost)
	}
	return l.clock + int64(cost)
}

func (l *lane) push(w *waiter, name string) {
	f := l.flows[name]
	if f == nil {
		f = &flow{name: name, start: l.clock}
		f.push(w)
		if l.flows == nil {
			l.flows = make(map[string]*flow)
		}
		l.flows[name] = f
		heap.Push(&l.heads, f)
	} else {
		l.ends.remove(f)
		f.push(w)
	}
	l.ends.add(f)
	l.cost += int64(w.cost)
	l.count++
}

// serve removes w, the first, and moves the clock on.
func (l *lane) serve(w *waiter) {
	// A costly waiter who went away may have left its flow behind the clock.
	// Whatever it had saved up like that ends here.
	l.clock = max(l.clock, w.flow.due())
	l.remove(w, l.clock)
}

// drop removes w from wherever it is. Those behind it in its flow move up.
func (l *lane) drop(w *waiter) { l.remove(w, w.flow.start) }

// remove removes w, after which its flow has been served up to start.
func (l *lane) remove(w *waiter, start int64) {
	f := w.flow
	l.ends.remove(f)
	head := f.first == w
	f.unlink(w)
	f.start = start
	l.cost -= int64(w.cost)
	l.count--
	if f.first == nil {
		heap.Remove(&l.heads, f.index)
		delete(l.flows, f.name)
		return
	}
	l.ends.add(f)
	if head {
		heap.Fix(&l.heads, f.index)
	}
}
