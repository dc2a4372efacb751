package ratelimit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// bucket is the state of one key. All times are durations since the Limiter's
// start.
type bucket struct {
	limiter *Limiter
	key     httpx.Key
	held    atomic.Int64  // nothing is sent before this time, because the server said so
	tokens  *rate.Limiter // nil when there is no rate of our own

	// mu makes it one step to see how long the wait for a token would be and
	// to reserve it: a reservation that is not wanted would delay others.
	mu sync.Mutex
}

func (l *Limiter) newBucket(key httpx.Key) *bucket {
	b := &bucket{limiter: l, key: key}
	if l.config.Rate > 0 {
		b.tokens = rate.NewLimiter(l.config.Rate, l.config.Burst)
	}
	return b
}

// take takes a token if nobody has to wait.
func (b *bucket) take(now time.Duration) bool {
	return b.heldFor(now) <= 0 && (b.tokens == nil || b.tokens.AllowN(b.at(now), 1))
}

// giveBack returns a token that was taken and not used. Adding what was taken
// by a negative reservation is exact, whatever happened in between, and never
// leaves more than a burst; rate's Cancel does nothing for a token whose time
// has come.
func (b *bucket) giveBack(now time.Duration) {
	if b.tokens != nil {
		b.tokens.ReserveN(b.at(now), -1)
	}
}

// hold keeps the key quiet for d from now on, or longer if it is held already.
func (b *bucket) hold(now, d time.Duration) {
	until := int64(now + min(d, forever-now))
	for {
		old := b.held.Load()
		if old >= until || b.held.CompareAndSwap(old, until) {
			return
		}
	}
}

// heldFor is how long the key is still held; not positive if it is not.
func (b *bucket) heldFor(now time.Duration) time.Duration {
	return time.Duration(b.held.Load()) - now
}

// wait waits for a token and takes it, or refuses as soon as it can be known
// that the wait would be too long.
func (b *bucket) wait(ctx context.Context) error {
	begin := b.limiter.now()
	told := false
	for now := begin; ; now = b.limiter.now() {
		limit, reason := b.limiter.patience(ctx, now-begin)
		pause := b.heldFor(now)
		var token *rate.Reservation
		if pause <= 0 {
			token, pause = b.reserve(now, limit)
			if token == nil && pause <= 0 {
				return nil // no rate of our own
			}
		}
		if pause > limit {
			return &Error{Key: b.key.String(), Reason: reason, Wait: pause}
		}
		if hook := b.limiter.config.Hooks.Wait; hook != nil && pause > 0 && !told {
			told = true
			hook(Wait{Key: b.key.String(), For: pause})
		}
		if err := sleep(ctx, pause); err != nil {
			if token != nil {
				token.CancelAt(b.at(b.limiter.now()))
			}
			return err
		}
		if token == nil {
			continue // the hold is over, unless it was prolonged: now queue
		}
		if now = b.limiter.now(); b.heldFor(now) <= 0 {
			return nil
		}
		// The key was held while this one slept. Its token comes back, so that
		// the sleepers do not all go at the end of the hold.
		b.giveBack(now)
	}
}

// reserve reserves a token unless that means waiting longer than limit, and
// returns the wait.
func (b *bucket) reserve(now, limit time.Duration) (*rate.Reservation, time.Duration) {
	if b.tokens == nil {
		return nil, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.at(now)
	missing := 1 - b.tokens.TokensAt(at)
	if wait := missing / float64(b.limiter.config.Rate) * float64(time.Second); wait > float64(limit) {
		return nil, ceil(wait)
	}
	r := b.tokens.ReserveN(at, 1)
	return r, r.DelayFrom(at)
}

// at converts a time since the start to the time that package rate wants.
func (b *bucket) at(now time.Duration) time.Time { return b.limiter.start.Add(now) }
