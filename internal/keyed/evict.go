package keyed

const (
	// chances bounds, for each insertion, how many entries stay because they
	// were used, and how many go as idle although there is room.
	chances = 64

	// reviews bounds, for each insertion, the second looks at kept entries.
	reviews = 8
)

// evict drops what is idle, and makes room for so many entries more. It is
// called with the lock held.
//
// Its average cost does not depend on the number of entries. Beyond the bounds
// above it only parks entries and moves them to kept, where they are out of its
// way. What brings them back is a release or a review.
func (m *Map[K, V]) evict(room int) {
	m.reviewKept()
	for turn := 0; ; turn++ {
		e, full := m.plain.oldest(), m.count+room > m.max
		if e == nil || (turn >= chances && !full) {
			break
		}
		used := e.used.Load()
		idle := int64(m.latest)-used >= m.idle
		switch {
		case !idle && used&touched != 0 && turn < chances:
			e.used.And(^touched)
			m.plain.moveToNew(e)
		case !idle && !full:
			return
		case !m.claim(e):
		case m.keeps(e):
			m.kept.moveToNew(e)
		case e.used.Load() != used: // between the look and the claim
			e.refs.Store(0)
		default:
			m.drop(e)
		}
	}
	for m.count+room > m.max {
		e := m.kept.oldest()
		if e == nil {
			return
		}
		if m.claim(e) {
			m.drop(e)
		}
	}
}

// reviewKept looks for kept entries that are not worth it any more. They
// become the first to go.
func (m *Map[K, V]) reviewKept() {
	for range reviews {
		e := m.kept.oldest()
		switch {
		case e == nil:
			return
		case !m.claim(e):
		case m.keeps(e):
			m.kept.moveToNew(e)
		default:
			m.plain.moveToOld(e)
			e.refs.Store(0)
		}
	}
}

// claim takes e for the evictor. If somebody holds e, claim parks it instead
// and reports false.
func (m *Map[K, V]) claim(e *Entry[K, V]) bool {
	for !e.refs.CompareAndSwap(0, claimed) {
		if n := e.refs.Load(); n > 0 && e.refs.CompareAndSwap(n, n+parked) {
			e.unlink()
			return false
		}
	}
	return true
}

// keeps asks Config.Keep about a claimed entry. A yes ends the claim, and so
// does a panic.
func (m *Map[K, V]) keeps(e *Entry[K, V]) (yes bool) {
	if m.keep == nil {
		return false
	}
	yes = true
	defer func() {
		if yes {
			e.refs.Store(0)
		}
	}()
	yes = m.keep(&e.value)
	return yes
}

// drop removes a claimed entry. The claim stays for good.
func (m *Map[K, V]) drop(e *Entry[K, V]) {
	e.unlink()
	m.table.Load().remove(e)
	m.count--
}

// unpark puts e back on a list, unless it is in use again or another holder
// that released it was faster. A long use counts up to the last insertion.
func (m *Map[K, V]) unpark(e *Entry[K, V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !e.refs.CompareAndSwap(parked, 0) {
		return
	}
	e.touch(m.stamp(m.latest))
	m.plain.pushNew(e)
	m.evict(0)
}
