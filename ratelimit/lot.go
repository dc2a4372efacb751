package ratelimit

import (
	"net/http"
	"time"
)

const (
	// maxLot is the size of the largest lot.
	maxLot = 1024
	// sizeBits are the bits of bucket.lot that hold the size.
	sizeBits = 2*maxLot - 1
	// maxLotTime is how long a lot is open where there is a rate, and else grain.
	maxLotTime = time.Millisecond
	// lotShare is the part of the tokens that a lot may take, as a divisor.
	lotShare = 8
)

// A lot is a number of calls that may go without the lock of their bucket. Where
// tokens abound and nothing else limits the calls, callers would only wait for
// each other there.
//
// Whoever has the lock sees no difference: lock closes the lot first and charges
// what was taken of it. As nobody noted when that was, all of it is charged at the
// time at which the lot ended, or now if that is earlier: never too early, so a
// lot gives away nothing. A bucket that was full loses what flows back in a
// millisecond, at most.
//
// A lot ends where an answer is due to be read, so that a call knows whether its
// own is by how many are left.
//
// The end lies apart from what all callers write, and a call writes once, without
// reading before: what costs is to get the memory from another core.

// takeLot admits a call if there is a lot for it.
func (b *bucket) takeLot(now time.Duration, n *need) bool {
	if n.cost != 1 || n.permit != nil || int64(now) > b.lot.Load() {
		return false
	}
	left := b.lotLeft.Add(-1)
	if left < 0 {
		return false
	}
	n.admitted, n.charged, n.flight.since = true, 1, now
	if b.limiter.parser != nil {
		n.flight.state, n.flight.listen = blind, left%everyAnswer == 0
	}
	return true
}

// hurry admits a call to the bucket found last if that is its own and has a lot,
// and returns it. The call does not hold the entry, on which callers would wait
// for each other again. The bucket stays all the same: who wants to forget it
// closes the lot first, and finds that calls are under way.
func (l *Limiter) hurry(req *http.Request, n *need) *bucket {
	e := l.last.Load()
	if e == nil || l.parser == nil || !e.Key().Names(req) {
		return nil
	}
	b := e.Value()
	if b.parts.Load() != nil || b.lot.Load() == 0 || !b.takeLot(l.now(), n) {
		return nil
	}
	return b
}

// openLot opens a lot if tokens abound. Nobody may be in the queue. Where calls go
// to many buckets in turn, it is not worth it.
func (b *bucket) openLot(now time.Duration) {
	if b.pacing != nil || b.limits != &b.limiter.unlimited || b.limiter.parser != nil && b.sent < firstAnswers {
		return
	}
	if e := b.limiter.last.Load(); e != nil && e.Value() != b {
		return
	}
	size, end := int64(maxLot), now+grain
	if b.budget.tokens != nil {
		size = min(size, int64(b.budget.tokens.TokensAt(b.budget.at(now))/lotShare))
		end = now + maxLotTime
	}
	if size -= (b.sent + size) % everyAnswer; size > 0 {
		b.lotLeft.Store(size)
		b.lot.Store(int64(end)&^sizeBits | size)
	}
}

// closeLot closes the lot, charges what was taken of it, and returns the time.
func (b *bucket) closeLot(now time.Duration) time.Duration {
	lot := b.lot.Swap(0) // no call went later than that
	taken := lot&sizeBits - max(0, b.lotLeft.Swap(0))
	if taken == 0 {
		return now
	}
	// The last of them may have gone after the caller has read the clock.
	now = max(now, b.limiter.now())
	b.budget.charge(max(b.latest, min(now, time.Duration(lot))), int(taken))
	if b.limiter.parser != nil {
		b.sent += taken
	}
	return now
}
