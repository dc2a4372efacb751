package keyed

// A list orders entries by age. It is a ring through Entry.older and
// Entry.newer, closed by a root that is no entry: root.newer is the oldest.
type list[K comparable, V any] struct {
	root Entry[K, V]
}

func (l *list[K, V]) init() {
	l.root.older, l.root.newer = &l.root, &l.root
}

// oldest returns nil if the list is empty.
func (l *list[K, V]) oldest() *Entry[K, V] {
	if e := l.root.newer; e != &l.root {
		return e
	}
	return nil
}

func (l *list[K, V]) pushNew(e *Entry[K, V]) { e.linkAfter(l.root.older) }

// moveToNew makes e, which is on some list, the newest of this one.
func (l *list[K, V]) moveToNew(e *Entry[K, V]) {
	e.unlink()
	e.linkAfter(l.root.older)
}

// moveToOld makes e, which is on some list, the oldest of this one.
func (l *list[K, V]) moveToOld(e *Entry[K, V]) {
	e.unlink()
	e.linkAfter(&l.root)
}

func (e *Entry[K, V]) linkAfter(older *Entry[K, V]) {
	e.older, e.newer = older, older.newer
	e.older.newer, e.newer.older = e, e
}

func (e *Entry[K, V]) unlink() {
	e.older.newer, e.newer.older = e.newer, e.older
	e.older, e.newer = nil, nil
}
