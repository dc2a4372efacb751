package keyed

import (
	"math"
	"sync/atomic"
	"time"
)

// Entry.refs is the number of holders, or one of these.
const (
	// claimed is the count of an entry that the evictor has to itself, for a
	// moment or, once it is dropped, for good. It is so low that an acquire
	// that comes too late cannot make it positive.
	claimed = math.MinInt64

	// parked is added to the count of an entry that the evictor found in use.
	// The entry is on no list until the last holder releases it and puts it
	// back, so that the evictor never meets it twice.
	parked = 1 << 62
)

// touched is the bit of Entry.used that says that the entry was acquired since
// it was put at the new end of a list.
const touched = 1

// An Entry is a key of a [Map] and its value, in use by whoever acquired it.
type Entry[K comparable, V any] struct {
	key   K
	value V
	hash  uint64
	chain atomic.Pointer[Entry[K, V]]

	refs atomic.Int64
	used atomic.Int64 // time of last use, rounded up by the grain of the map

	older, newer *Entry[K, V] // neighbours on a list; guarded by the map's lock
}

// Key returns the key.
func (e *Entry[K, V]) Key() K { return e.key }

// Value returns the value, which is zero or what Config.Init made of it. The map
// does not guard it: holders of the same entry share it.
func (e *Entry[K, V]) Value() *V { return &e.value }

// acquired adds a holder and returns e, or nil if the evictor has claimed e.
func (e *Entry[K, V]) acquired(stamp int64) *Entry[K, V] {
	if e.refs.Add(1) <= 0 {
		return nil
	}
	e.touch(stamp)
	return e
}

// touch notes a use. It seldom has to store, since most uses fall into the
// same grain of time as the one before.
func (e *Entry[K, V]) touch(stamp int64) {
	if e.used.Load() < stamp {
		e.used.Store(stamp)
	}
}

// stamp returns now rounded up to the end of its grain. The bit touched is set
// in it, as the lowest bit of every grain is.
func (m *Map[K, V]) stamp(now time.Duration) int64 { return int64(now) | m.grain }
