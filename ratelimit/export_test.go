package ratelimit

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// Strain is what operations on a long queue cost at most: how many of the waiters
// and flows one of them changes, and how many flows one meets on its way down the
// tree of their ends.
type Strain struct{ Changed, Deep int }

// StrainOf makes a queue of many waiters and lets some of them come, have their
// turn and go away.
func StrainOf(waiters, flows, operations int, random *rand.Rand) (s Strain) {
	q, all := newQueue(), make([]*waiter, 0, waiters+operations)
	come := func() {
		w := &waiter{need: need{cost: 1 + random.IntN(3), priority: Normal}}
		w.expires = time.Duration(random.Int64N(int64(time.Hour)))
		q.push(w, strconv.Itoa(random.IntN(flows)))
		all = append(all, w)
	}
	for range waiters {
		come()
	}
	for i := range operations {
		before := stateOf(all)
		switch i % 3 {
		case 0:
			come()
		case 1:
			q.serve(q.next())
		case 2:
			if w := all[random.IntN(len(all))]; w.queued {
				q.drop(w)
			}
		}
		s.Changed = max(s.Changed, before.changes())
		s.Deep = max(s.Deep, height(q.laneOf(Normal).ends.root))
	}
	return s
}

// state is a copy of waiters and of their flows.
type state struct {
	waiters map[*waiter]waiter
	flows   map[*flow]flow
}

func stateOf(all []*waiter) state {
	s := state{map[*waiter]waiter{}, map[*flow]flow{}}
	for _, w := range all {
		if s.waiters[w] = *w; w.queued {
			s.flows[w.flow] = *w.flow
		}
	}
	return s
}

// changes is how many of them are different by now.
func (s state) changes() (n int) {
	for w, before := range s.waiters {
		if *w != before {
			n++
		}
	}
	for f, before := range s.flows {
		if *f != before {
			n++
		}
	}
	return n
}

func height(f *flow) int {
	if f == nil {
		return 0
	}
	return 1 + max(height(f.left), height(f.right))
}
