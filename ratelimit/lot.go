package ratelimit

import (
	"sync/atomic"
	"time"
)

const (
	// maxLot is the size of a lot. Together with the call that opens it, it is as
	// many calls as there are for one answer that is read. It fits the low bits of
	// lot.state.
	maxLot = everyAnswer - 1
	// maxLotTime is how long a lot is open where there is a rate.
	maxLotTime = time.Millisecond
	// plenty is how many tokens a bucket must hold.
	plenty = 512
)

// lot is a number of calls that may go without the lock of their bucket. Where
// tokens abound and nothing else limits the calls, callers would only wait for
// each other there.
//
// Whoever has the lock sees no difference: lock closes the lot first and charges
// what was taken of it. As nobody noted when that was, all of it is charged at the
// time at which the lot ended, or now if that is earlier: never too early, so a
// lot gives away nothing. A bucket that was full loses what flows back in a
// millisecond, at most.
type lot struct {
	state atomic.Int64 // when it ends, and in the low bits how many are left; 0 if closed
	size  int64        // the lock of the bucket guards it
}

// take takes one call out of an open lot.
func (l *lot) take(now time.Duration) bool {
	for {
		state := l.state.Load()
		if state&maxLot == 0 || int64(now) > state&^maxLot {
			return false
		}
		if l.state.CompareAndSwap(state, state-1) {
			return true
		}
	}
}

// open opens a lot until end, or up to 63 ns before.
func (l *lot) open(size int64, end time.Duration) {
	l.size = size
	l.state.Store(int64(end)&^maxLot | size)
}

// close closes the lot and returns how many were taken, and when it ended.
func (l *lot) close() (taken int64, end time.Duration) {
	state := l.state.Swap(0)
	if state == 0 {
		return 0, 0
	}
	return l.size - state&maxLot, time.Duration(state &^ maxLot)
}

// openLot opens a lot if tokens abound. Nobody may be in the queue.
func (b *bucket) openLot(now time.Duration) {
	if b.pacing != nil || b.limits != &b.limiter.unlimited {
		return
	}
	size, end := int64(maxLot), forever
	if b.limiter.parser != nil {
		if b.sent < firstAnswers {
			return
		}
		size -= b.sent % everyAnswer // the call after it listens
	}
	if b.budget.tokens != nil {
		if b.budget.tokens.TokensAt(b.budget.at(now)) < plenty {
			return
		}
		end = now + maxLotTime
	}
	if size > 0 {
		b.lot.open(size, end)
	}
}

// closeLot charges what was taken of the lot, and returns the time.
func (b *bucket) closeLot(now time.Duration) time.Duration {
	taken, end := b.lot.close()
	if taken == 0 {
		return now
	}
	// The last of them may have gone after the caller has read the clock.
	now = max(now, b.limiter.now())
	b.budget.charge(max(b.latest, min(now, end)), int(taken))
	if b.limiter.parser != nil {
		b.sent += taken
	}
	return now
}
