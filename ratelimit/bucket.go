package ratelimit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// bucket is the state of one key. All times are durations since the Limiter's
// start.
//
// rate.Limiter gives the tokens and is not the queue: a reservation can't be
// moved when the server asks for a pause, and giving one back leaves a hole or
// lets two go at once. So waiting requests stand in a queue, and only the one
// at its head watches the tokens.
type bucket struct {
	limiter *Limiter
	key     httpx.Key
	tokens  *rate.Limiter // nil when there is no rate of our own

	// mu also keeps the times that tokens is told in order: an older one after
	// a newer would fill it twice for the same stretch of time.
	mu    sync.Mutex
	held  time.Duration // nothing is sent before this time, because the server said so
	queue list.List     // of *waiter, the first of whom is at the head
}

// waiter is a request in the queue.
type waiter struct {
	place *list.Element
	wake  chan struct{} // has room for one: come to the head, or look again
}

func (l *Limiter) newBucket(key httpx.Key) *bucket {
	b := &bucket{limiter: l, key: key}
	if l.config.Rate > 0 {
		b.tokens = rate.NewLimiter(l.config.Rate, l.config.Burst)
	}
	return b
}

// take takes a token if nobody has to wait, and returns the time.
func (b *bucket) take() (taken bool, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = b.limiter.now()
	return b.queue.Len() == 0 && b.takeLocked(now), now
}

func (b *bucket) takeLocked(now time.Duration) bool {
	return b.held <= now && (b.tokens == nil || b.tokens.AllowN(b.at(now), 1))
}

// giveBack returns a token that was taken and not used. Adding what was taken
// by a negative reservation never leaves more than a burst; rate's Cancel does
// nothing for a token whose time has come.
func (b *bucket) giveBack() {
	if b.tokens == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens.ReserveN(b.at(b.limiter.now()), -1)
	b.wakeHead()
}

// hold keeps the key quiet for d from now on, or longer if it is held already.
func (b *bucket) hold(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	b.held = max(b.held, now+min(d, forever-now))
}

// isHeld reports whether the key is held.
func (b *bucket) isHeld() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held > b.limiter.now()
}

// join takes a token at once, or enters the queue, or refuses because the turn
// of a newcomer would take longer than limit. It returns the wait that can be
// foreseen.
func (b *bucket) join(limit time.Duration) (w *waiter, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	if b.queue.Len() == 0 && b.takeLocked(now) {
		return nil, 0
	}
	if wait = b.foresee(now, b.queue.Len()); wait > limit {
		return nil, wait
	}
	w = &waiter{wake: make(chan struct{}, 1)}
	w.place = b.queue.PushBack(w)
	return w, wait
}

// foresee is how long a request waits that has ahead others before it: until
// the hold is over, and then for the tokens that the bucket does not have by
// that time. It is at least a nanosecond.
func (b *bucket) foresee(now time.Duration, ahead int) time.Duration {
	hold := max(0, b.held-now)
	if b.tokens == nil {
		return max(1, hold)
	}
	missing := float64(ahead+1) - b.tokens.TokensAt(b.at(now+min(hold, forever-now)))
	wait := missing / float64(b.limiter.config.Rate) * float64(time.Second)
	if wait >= float64(forever-hold) {
		return forever
	}
	return max(1, hold+ceil(max(0, wait)))
}

// advance takes a token for w if it is at the head and there is one, and else
// returns how long it has to wait, at the head or for its turn to come there.
func (b *bucket) advance(w *waiter) (taken, atHead bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	switch {
	case b.queue.Front() != w.place:
		// Its place is not worth counting: all of the queue may be before it.
		return false, false, b.foresee(now, b.queue.Len()-1)
	case b.takeLocked(now):
		b.removeLocked(w)
		return true, true, 0
	}
	return false, true, b.foresee(now, 0)
}

// leave removes w from the queue, if it is still there.
func (b *bucket) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removeLocked(w)
}

func (b *bucket) removeLocked(w *waiter) {
	if w.place == nil {
		return
	}
	head := b.queue.Front() == w.place
	b.queue.Remove(w.place)
	w.place = nil
	if head {
		b.wakeHead()
	}
}

// wakeHead makes the one at the head of the queue look again.
func (b *bucket) wakeHead() {
	if front := b.queue.Front(); front != nil {
		select {
		case front.Value.(*waiter).wake <- struct{}{}:
		default: // it has been told already
		}
	}
}

// at converts a time since the start to the time that package rate wants.
func (b *bucket) at(now time.Duration) time.Time { return b.limiter.start.Add(now) }
