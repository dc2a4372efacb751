package redislimit

import (
	"slices"
	"strings"
	"time"
)

// State is what a [Limiter] was at the time of a [Limiter.Snapshot].
type State struct {
	// Down reports whether Redis did not answer.
	Down bool
	// DownSince is since when; zero if it did.
	DownSince time.Time
	// Buckets are all that are remembered, sorted by key.
	Buckets []Bucket
}

// Bucket is what this replica knew of a key.
type Bucket struct {
	// Key is that of the bucket: the origin, or what Config.Key returned.
	Key string
	// Queued is how many requests were waiting.
	Queued int
	// Slots is how many leased slots were in hand.
	Slots int
	// HeldUntil is the end of a pause that an upstream has asked this replica
	// for; zero if there was none.
	HeldUntil time.Time
	// Degraded reports whether requests went by Config.Mode, not by Redis.
	Degraded bool
	// Replicas is how many replicas used the key when Redis last said; 0 if
	// it never did.
	Replicas int
	// Sent is how many requests have had their turn, those that gave it back
	// not counted.
	Sent uint64
	// Granted is how many slots Redis has given.
	Granted uint64
	// Calls is how often Redis was called, and Failures how often in vain.
	Calls, Failures uint64
}

// Snapshot returns the state of Redis as this replica sees it, and all buckets
// that it remembers. Each bucket is consistent in itself. It takes a lock for a
// moment at each and holds none while it sorts.
func (l *Limiter) Snapshot() State {
	var s State
	down, since := l.link.state()
	if s.Down = down; down {
		s.DownSince = l.start.Add(since)
	}
	now := l.now()
	for _, b := range l.buckets.All() {
		s.Buckets = append(s.Buckets, b.snapshot(now))
	}
	slices.SortFunc(s.Buckets, func(x, y Bucket) int { return strings.Compare(x.Key, y.Key) })
	return s
}

func (b *bucket) snapshot(now time.Duration) Bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prune(now)
	s := Bucket{
		Key:      b.key.String(),
		Queued:   b.queue.Len(),
		Slots:    b.inHand(),
		Degraded: b.share.active,
		Replicas: b.replicas,
		Sent:     b.spent,
		Granted:  b.granted,
		Calls:    b.calls,
		Failures: b.failures,
	}
	if b.held > now {
		s.HeldUntil = b.limiter.start.Add(b.held)
	}
	return s
}
