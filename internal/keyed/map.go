package keyed

import (
	"hash/maphash"
	"iter"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what a [Map] holds and for how long.
type Config[K comparable, V any] struct {
	// Max bounds the number of entries; it must be positive. Only entries in
	// use may exceed it: a map never holds more than Max entries or, if that
	// is more, the entries in use.
	Max int

	// Idle is how long an entry stays without an Acquire or a Peek before it
	// may be dropped. Zero or less: for as long as there is room.
	Idle time.Duration

	// Init, if set, makes the value of a new key of a zero one. It may put an equal
	// key in the place of the key, and the value may keep the pointer to it; nobody
	// may write to it afterwards. Init is called without a lock held. When
	// goroutines race for the same new key it may be called more than once, and all
	// values but one are dropped.
	Init func(key *K, value *V)

	// Hash, if set, hashes a key. Equal keys must have equal hashes. The default
	// is maphash.Comparable, which any key will do for; one that knows the key
	// is faster.
	Hash func(K, maphash.Seed) uint64

	// Keep, if set, reports that a value is worth more than others, as the
	// state of an open circuit is. Such an entry is not dropped for being
	// idle, and makes room for another only when nothing else can. Keep must
	// be fast and must not call the map: it runs with the map's lock held.
	// Nobody holds the entry during the call.
	Keep func(*V) bool
}

// A Map holds one value per key, up to a bound. The zero value is not usable;
// make one with [New]. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	init  func(*K, *V)
	hash  func(K, maphash.Seed) uint64
	keep  func(*V) bool
	max   int
	idle  int64
	grain int64 // the low bits that a time of use does not keep, all ones
	seed  maphash.Seed

	table atomic.Pointer[table[K, V]] // changed with mu held, read without

	mu     sync.Mutex
	count  int
	latest time.Duration // the time of the last insertion
	plain  list[K, V]    // the queue to go
	kept   list[K, V]    // entries that were worth keeping when their turn came
}

// New returns an empty map. It panics when Max is not positive.
func New[K comparable, V any](c Config[K, V]) *Map[K, V] {
	if c.Max <= 0 {
		panic("keyed: Config needs a positive Max")
	}
	m := &Map[K, V]{
		init:  c.Init,
		hash:  c.Hash,
		keep:  c.Keep,
		max:   c.Max,
		idle:  math.MaxInt64,
		grain: math.MaxInt64,
		seed:  maphash.MakeSeed(),
	}
	if m.hash == nil {
		m.hash = func(key K, seed maphash.Seed) uint64 { return maphash.Comparable(seed, key) }
	}
	if c.Idle > 0 {
		m.idle = int64(c.Idle)
		m.grain = 1<<(bits.Len64(uint64(c.Idle)/16|2)-1) - 1
	}
	m.table.Store(newTable[K, V](7))
	m.plain.init()
	m.kept.init()
	return m
}

// Acquire returns the entry of key, made if there is none. The entry is in use
// until its [Map.Release]: it stays in the map, and it is the only one of its key.
//
// The time now is measured from any fixed start. It need not grow from call to
// call: an earlier time does not take a later use back.
//
// For a present key Acquire allocates nothing. It takes no lock either, unless
// it meets the entry while that is being moved, or examined for eviction.
func (m *Map[K, V]) Acquire(key K, now time.Duration) *Entry[K, V] {
	hash, stamp := m.hash(key, m.seed), m.stamp(now)
	if e := m.table.Load().acquire(hash, key, stamp); e != nil {
		return e
	}
	if e := m.acquireLocked(hash, key, stamp); e != nil {
		return e
	}
	e := &Entry[K, V]{key: key, hash: hash}
	if m.init != nil {
		m.init(&e.key, &e.value)
	}
	return m.insert(e, now)
}

// Again is [Map.Acquire] for an entry that the caller has seen before, and need
// not have held since. It reports false when the entry has left the map. It
// costs neither a hash nor a search.
func (m *Map[K, V]) Again(e *Entry[K, V], now time.Duration) bool {
	return e.acquired(m.stamp(now)) != nil
}

// Peek is like [Map.Acquire] for a key that is present, and otherwise reports
// false.
func (m *Map[K, V]) Peek(key K, now time.Duration) (*Entry[K, V], bool) {
	hash, stamp := m.hash(key, m.seed), m.stamp(now)
	e := m.table.Load().acquire(hash, key, stamp)
	if e == nil {
		e = m.acquireLocked(hash, key, stamp)
	}
	return e, e != nil
}

// Release ends the use of e, an entry of this map, that an Acquire, a Peek or an
// Again began. It must be called once for each of them. Afterwards the entry may
// leave the map and its key get another one: who goes on to use the value may be
// using one that is forgotten.
func (m *Map[K, V]) Release(e *Entry[K, V]) {
	if n := e.refs.Add(-1); n < 0 || n == parked {
		m.releaseSlow(e, n)
	}
}

func (m *Map[K, V]) releaseSlow(e *Entry[K, V], n int64) {
	if n < 0 {
		panic("keyed: Release of an entry that is not in use")
	}
	m.unpark(e)
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

// All returns the entries as they are when the iteration starts, in no order.
// It copies them first, so that the loop body runs without a lock and may call
// the map. It does not acquire them: a value may leave the map, and may be in
// use by others, while the body looks at it.
func (m *Map[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for _, e := range m.entries() {
			if !yield(e.key, &e.value) {
				return
			}
		}
	}
}

func (m *Map[K, V]) entries() []*Entry[K, V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.Load().appendTo(make([]*Entry[K, V], 0, m.count))
}

func (m *Map[K, V]) acquireLocked(hash uint64, key K, stamp int64) *Entry[K, V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.Load().acquire(hash, key, stamp)
}

// insert adds e, unless another goroutine has been faster with its key.
func (m *Map[K, V]) insert(e *Entry[K, V], now time.Duration) *Entry[K, V] {
	stamp := m.stamp(now)
	e.used.Store(stamp &^ touched)

	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	if first := t.acquire(e.hash, e.key, stamp); first != nil {
		return first
	}
	m.latest = now
	m.evict(1)
	if m.count < m.max {
		e.refs.Store(1)
		m.plain.pushNew(e)
	} else {
		e.refs.Store(1 + parked)
	}
	m.count++
	t.catchUp()
	if m.count > len(t.buckets) {
		t = t.doubled()
		m.table.Store(t)
	}
	t.add(e)
	return e
}
