package keyed

import "sync/atomic"

// A table finds entries by hash. A bucket is a chain through Entry.chain.
//
// When a table is full, one of twice the size takes its place. The entries
// follow bucket by bucket, so that no insertion has to move them all, and until
// then are found in the old table.
//
// One goroutine at a time changes tables, with the lock of the map held, while
// any number read them without. A reader may follow an entry that is being
// moved out of its chain, and miss what it looks for. So a miss without the
// lock has to be confirmed under it. A hit is a hit, as the key was compared and
// the entry could be acquired.
type table[K comparable, V any] struct {
	buckets []atomic.Pointer[Entry[K, V]]
	mask    uint64                      // one less than the number of buckets, a power of two
	old     atomic.Pointer[table[K, V]] // what this table replaces, or nil
	moved   int                         // how many buckets of old are empty
}

func newTable[K comparable, V any](mask uint64) *table[K, V] {
	return &table[K, V]{buckets: make([]atomic.Pointer[Entry[K, V]], mask+1), mask: mask}
}

func (t *table[K, V]) bucket(hash uint64) *atomic.Pointer[Entry[K, V]] {
	return &t.buckets[hash&t.mask]
}

// acquire returns the entry of key with one holder more, or nil.
func (t *table[K, V]) acquire(hash uint64, key K, stamp int64) *Entry[K, V] {
	for ; t != nil; t = t.old.Load() {
		for e := t.bucket(hash).Load(); e != nil; e = e.chain.Load() {
			if e.hash == hash && e.key == key {
				return e.acquired(stamp)
			}
		}
	}
	return nil
}

func (t *table[K, V]) add(e *Entry[K, V]) {
	b := t.bucket(e.hash)
	e.chain.Store(b.Load())
	b.Store(e)
}

// remove looks for e itself and not for its key: a floating-point NaN does not
// equal itself. It leaves e.chain alone for a reader that is at e.
func (t *table[K, V]) remove(e *Entry[K, V]) {
	for ; t != nil; t = t.old.Load() {
		link := t.bucket(e.hash)
		for at := link.Load(); at != nil; at = link.Load() {
			if at == e {
				link.Store(e.chain.Load())
				return
			}
			link = &at.chain
		}
	}
}

// doubled returns a table of twice the size to use in place of t.
func (t *table[K, V]) doubled() *table[K, V] {
	bigger := newTable[K, V](2*t.mask + 1)
	bigger.old.Store(t)
	return bigger
}

// catchUp moves the entries of one old bucket to t. As it is called for each
// new entry, the old table is empty by the time that t is full.
func (t *table[K, V]) catchUp() {
	old := t.old.Load()
	if old == nil {
		return
	}
	b := &old.buckets[t.moved]
	for e := b.Load(); e != nil; e = b.Load() {
		b.Store(e.chain.Load())
		t.add(e)
	}
	if t.moved++; t.moved == len(old.buckets) {
		t.old.Store(nil)
	}
}

func (t *table[K, V]) appendTo(all []*Entry[K, V]) []*Entry[K, V] {
	for ; t != nil; t = t.old.Load() {
		for i := range t.buckets {
			for e := t.buckets[i].Load(); e != nil; e = e.chain.Load() {
				all = append(all, e)
			}
		}
	}
	return all
}
