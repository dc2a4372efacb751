package ratelimit

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// bucket is the state of one key. All times are durations since the Limiter's
// start.
//
// Calls that have to wait stand in a queue and sleep. Whoever changes anything
// dispatches: he grants the turns that have come and sets the one timer of the
// queue to the next. When nobody does, the timer dispatches. So there is no
// goroutine that could be left over, nobody polls, and whatever changes is
// taken into account for all who wait.
//
// There may be very many keys, so what few of them need is behind pointers.
type bucket struct {
	*limits
	key   *httpx.Key            // nobody writes to it
	parts atomic.Pointer[parts] // nil until the server has named any
	pages atomic.Pointer[pages] // nil until a refusal has said nothing
	lot   atomic.Int64          // when the lot ends, and in the low bits its size; 0 if there is none

	mu     sync.Mutex
	latest time.Duration // the clock may be read in another order than the lock is taken
	budget budget
	*rarities
	sent int64 // calls that were admitted before there was pacing

	lotLeft atomic.Int64 // how many calls the lot is still for; negative if more have come
	landed  atomic.Int64 // of those sent, those that are over; negative once there is pacing
}

// limits is what not every Config asks for. Buckets without any share one.
type limits struct {
	limiter *Limiter
	slots   *slots // nil when nothing bounds the calls under way
	cubic   *cubic // nil when the rate does not adapt
}

// rarities is what few buckets have at a time. The others share one that is
// empty. The lock of the bucket guards it.
type rarities struct {
	queue  *queue  // nil when nobody waits
	pacing *pacing // nil until the server has said anything
	rest   float64 // a fraction of a token that settling has left over
}

// own returns the rarities of b, to be changed.
func (b *bucket) own() *rarities {
	if b.rarities == &b.limiter.none {
		b.rarities = &rarities{}
	}
	return b.rarities
}

// initBucket makes a zero b the bucket of key.
func (l *Limiter) initBucket(key *httpx.Key, b *bucket) {
	key.Own()
	l.initPart(key, b)
	if l.config.MaxInFlight > 0 || l.config.AdaptiveRate {
		b.limits = &limits{limiter: l}
	}
	if l.config.Rate > 0 {
		b.budget.tokens = rate.NewLimiter(l.config.Rate, l.config.Burst)
	}
	if l.config.MaxInFlight > 0 {
		b.slots = &slots{limit: l.config.MaxInFlight, lease: l.config.Lease}
		if l.config.AdaptiveConcurrency {
			b.slots.adaptive = newAIMD(l.config.MaxInFlight)
			b.slots.limit = b.slots.adaptive.slots()
		}
	}
	if l.config.AdaptiveRate {
		b.cubic = newCubic(float64(l.config.Rate))
	}
	if l.config.ProbeFirst && l.parser != nil {
		b.pace(0)
	}
}

// lock locks the bucket and returns the time. The clock is read before, so that
// nobody waits for that.
func (b *bucket) lock() (now time.Duration) { return b.lockAt(b.limiter.now()) }

// lockAt is lock for a caller who has read the clock just now.
func (b *bucket) lockAt(now time.Duration) time.Duration {
	b.mu.Lock()
	if b.lot.Load() != 0 {
		now = b.closeLot(now)
	}
	b.latest = max(b.latest, now)
	return b.latest
}

// take admits a call if nobody has to wait, and returns the time.
func (b *bucket) take(n *need) (taken bool, now time.Duration) {
	now = b.limiter.now()
	if b.takeLot(now, n) {
		return true, now
	}
	now = b.lockAt(now)
	defer b.mu.Unlock()
	if b.queue != nil || !b.admit(now, n) {
		return false, now
	}
	b.openLot(now)
	return true, now
}

// admit takes what a call needs, if it is there.
func (b *bucket) admit(now time.Duration, n *need) bool {
	if b.slots != nil && !b.slots.free(now) {
		return false
	}
	if b.pacing != nil {
		if !b.pacing.take(now, n, &b.budget) {
			return false
		}
	} else if !b.budget.take(now, n.cost) {
		return false
	}
	b.begin(now, n, n.cost)
	return true
}

// begin notes that a call is under way, and what it was charged.
func (b *bucket) begin(now time.Duration, n *need, charged int) {
	n.admitted, n.charged = true, charged
	b.takeOff(now, n)
	if n.permit == nil {
		return
	}
	n.permit.since = now
	if b.slots != nil {
		b.slots.add(n.permit)
	}
}

// cancel takes back a call that was admitted and not sent.
func (b *bucket) cancel(n *need) {
	now := b.lock()
	defer b.mu.Unlock()
	b.cancelLocked(now, n)
}

func (b *bucket) cancelLocked(now time.Duration, n *need) {
	if n.permit != nil && b.slots != nil {
		b.slots.remove(n.permit)
	}
	b.budget.give(now, n.charged)
	if n.flight.state == paced {
		b.pacing.budget.give(now, n.charged)
	}
	b.landLocked(now, n, pace.Free)
	n.admitted, n.charged = false, 0
	b.dispatch(now)
}

// release takes the slot of a call back that is over.
func (b *bucket) release(p *Permit) {
	now := b.lock()
	defer b.mu.Unlock()
	if b.slots != nil {
		b.slots.remove(p)
	}
	b.dispatch(now)
}

// settle replaces what a call was charged by what it has cost.
func (b *bucket) settle(n *need, actual float64) {
	if !(actual >= 0) {
		return
	}
	now := b.lock()
	defer b.mu.Unlock()
	if n.charged == 0 {
		return
	}
	extra := actual - float64(n.charged)
	if b.budget.tokens != nil {
		b.budget.settle(now, extra, &b.own().rest, b.limiter.config.longestQuiet())
	}
	// Looking at all who wait has to be worth it. Those for whom a small debt
	// comes in between learn it when they are next, or when their time is up.
	if q := b.queue; q != nil && extra > 0 {
		if q.unplanned += extra; q.unplanned >= float64(q.work())/16 {
			b.replan(now)
			return
		}
	}
	b.dispatch(now)
}

// isWorthKeeping reports whether forgetting the bucket would break a promise.
func (b *bucket) isWorthKeeping() bool {
	now := b.lock()
	defer b.mu.Unlock()
	if b.budget.gate > now || b.slots != nil && b.slots.inUse(now) || b.blindFlights() > 0 {
		return true
	}
	if p := b.pacing; p != nil {
		if p.refresh(now, &need{cost: 1}); p.plan.Until > now {
			return true
		}
	}
	parts := b.parts.Load()
	return parts != nil && slices.ContainsFunc(parts.all(), (*bucket).isWorthKeeping)
}

// outlook says how things go on for calls like n.
func (b *bucket) outlook(now time.Duration, n *need) outlook {
	o := outlook{own: b.budget.forecast(now)}
	if p := b.pacing; p != nil {
		p.refresh(now, n)
		o.paced = p.budget.forecast(now)
		o.beyond = p.beyond()
	}
	return o
}

// hold keeps the key quiet for d from now on, or longer if it is held already.
func (b *bucket) hold(d time.Duration) Replan {
	now := b.lock()
	defer b.mu.Unlock()
	until := now + min(d, forever-now)
	if until <= b.budget.gate {
		return Replan{}
	}
	b.budget.gate = until
	return b.replan(now)
}

// adapt tells what adapts how a call went that began at the time began. A cut of
// the rate is a new plan; what happens to it otherwise is too little to look at
// all who wait.
func (b *bucket) adapt(began time.Duration, throttled bool) Replan {
	now := b.lock()
	defer b.mu.Unlock()
	if b.slots != nil && b.slots.adaptive != nil {
		b.slots.adaptive.observe(now, began, b.slots.held.Len(), throttled)
		b.slots.limit = b.slots.adaptive.slots()
	}
	if b.cubic == nil {
		b.dispatch(now)
		return Replan{}
	}
	before := b.cubic.rate
	if b.cubic.observe(now, began, throttled) {
		b.budget.set(now, rate.Limit(b.cubic.rate), b.limiter.config.burstAt(rate.Limit(b.cubic.rate)))
	}
	if throttled && b.cubic.rate != before {
		return b.replan(now)
	}
	b.dispatch(now)
	return Replan{}
}
