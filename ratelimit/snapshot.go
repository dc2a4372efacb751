package ratelimit

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Bucket is what a key was at the time of a [Limiter.Snapshot].
type Bucket struct {
	// Key is the origin, or what Config.Key returned, or the key of Acquire.
	Key string
	// Rate is how many tokens per second the bucket gets at present. 0 means
	// no limit.
	Rate float64
	// Burst is the size of the bucket; 0 if there is no rate.
	Burst int
	// Tokens is what the bucket holds; negative while it is in debt.
	Tokens float64
	// InFlight is how many calls are under way, if their number is limited,
	// and else 0. MaxInFlight is the limit at present; 0 means none.
	InFlight, MaxInFlight int
	// Waiting is how many calls wait, by lane.
	Waiting Waiting
	// NextSlot is when a call of cost 1 could be sent that is next in turn, as
	// far as rate and holds go: the time of the snapshot if that is at once.
	NextSlot time.Time
	// HeldUntil is when the pause ends that the server has asked for; zero if
	// there is none.
	HeldUntil time.Time
}

// Waiting is the number of calls in each lane.
type Waiting struct{ Interactive, Normal, Batch int }

// Snapshot returns all buckets that are remembered, sorted by key. Each is
// consistent in itself. It takes the lock of each for a moment and holds none
// while it sorts.
func (l *Limiter) Snapshot() []Bucket {
	var all []Bucket
	for _, b := range l.buckets.All() {
		all = append(all, b.snapshot())
	}
	slices.SortFunc(all, func(x, y Bucket) int { return strings.Compare(x.Key, y.Key) })
	return all
}

func (b *bucket) snapshot() Bucket {
	now := b.lock()
	defer b.mu.Unlock()
	f := b.budget.forecast(now)
	s := Bucket{Key: b.key.String(), Rate: f.rate, Burst: int(f.burst), NextSlot: b.budget.at(now)}
	if b.budget.tokens != nil {
		s.Tokens = b.budget.tokens.TokensAt(b.budget.at(now))
	}
	if b.slots != nil {
		s.InFlight, s.MaxInFlight = b.slots.held.Len(), b.slots.limit
	}
	if q := b.queue; q != nil {
		s.Waiting = Waiting{q.laneOf(Interactive).count, q.laneOf(Normal).count, q.laneOf(Batch).count}
	}
	if wait := f.wait(0, 1); wait > 1 {
		s.NextSlot = b.budget.at(now + min(wait, forever-now))
	}
	if f.hold > 0 {
		s.HeldUntil = b.budget.at(b.budget.gate)
	}
	return s
}

// peek returns the bucket of a key as Snapshot shows it, or a new one that
// nobody else sees.
func (l *Limiter) peek(name string) (b *bucket, release func()) {
	keys := []httpx.Key{{Name: name}}
	if scheme, host, ok := strings.Cut(name, "://"); ok {
		keys = append(keys, httpx.Key{Scheme: scheme, Name: host})
	}
	for _, key := range keys {
		if entry, ok := l.buckets.Peek(key, l.recently()); ok {
			return entry.Value(), entry.Release
		}
	}
	return l.newBucket(keys[0]), func() {}
}
