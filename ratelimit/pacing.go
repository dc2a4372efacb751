package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/pace"
)

const (
	// Of a server that has never said anything, the first answers are read, and
	// then one in so many: it costs about 400 ns.
	firstAnswers = 16
	everyAnswer  = 64

	// born is far below all that bucket.landed counts up from.
	born = math.MinInt64 / 2

	// tellEvery is how often at most the hook Plan is called for a bucket.
	tellEvery = time.Second
)

// pacing is what a bucket knows of its server's quotas. It is made when an
// answer speaks of one for the first time, or throttles. The lock of the bucket
// guards it.
type pacing struct {
	pacer  *pace.Pacer
	budget budget // what the plan allows
	limit  rate.Limit
	burst  int       // limit and burst are those of budget
	plan   pace.Plan // as it was asked for last

	// The flights that were under way when pacing was made, and what stands for
	// each of them until it lands.
	strays int
	stray  pace.Ticket

	held      time.Duration // as the pacer said last
	replanned float64       // the rate by which those who wait were planned last
	told      PlanChange    // what the hook was told last
	toldAt    time.Duration
}

// pace makes the pacing of b, if it has none.
func (b *bucket) pace(now time.Duration) *pacing {
	if b.pacing != nil {
		return b.pacing
	}
	p := &pacing{pacer: b.limiter.rules.NewPacer(), limit: rate.Inf, burst: 1}
	p.budget.tokens = rate.NewLimiter(p.limit, p.burst)
	p.strays = int(b.sent - b.landed.Swap(born))
	one := need{cost: 1}
	for range p.strays {
		p.stray = p.pacer.Adopt(now, one.request())
	}
	p.plan.Rate, p.replanned = math.Inf(1), math.Inf(1)
	p.toldAt = now - tellEvery
	b.own().pacing = p
	return p
}

// blindFlights is how many calls are under way that nobody plans.
func (b *bucket) blindFlights() int {
	if b.pacing != nil {
		return b.pacing.strays
	}
	return int(b.sent - b.landed.Load())
}

// refresh asks for the plan for calls like n.
func (p *pacing) refresh(now time.Duration, n *need) {
	p.plan = p.pacer.Plan(now, n.token())
	p.budget.gate = p.plan.Until
	limit := rate.Inf
	if p.plan.Rate < float64(rate.Inf) {
		limit = rate.Limit(p.plan.Rate)
	}
	if p.limit != limit || p.burst != p.plan.Burst {
		p.limit, p.burst = limit, p.plan.Burst
		p.budget.set(now, p.limit, p.burst)
	}
}

// beyond is when the server serves again, if that is longer than anybody should
// wait, and else 0.
func (p *pacing) beyond() time.Duration {
	if p.plan.Resume > p.plan.Until {
		return p.plan.Resume
	}
	return 0
}

// take takes what n needs from both budgets, or from none.
func (p *pacing) take(now time.Duration, n *need, own *budget) bool {
	p.refresh(now, n)
	if !p.budget.take(now, n.cost) {
		return false
	}
	if !own.take(now, n.cost) {
		p.budget.give(now, n.cost)
		return false
	}
	return true
}

// takeOff notes that a call is on its way.
func (b *bucket) takeOff(now time.Duration, n *need) {
	f := &n.flight
	f.since = now
	switch {
	case b.pacing != nil:
		f.state, f.listen = paced, true
		f.ticket = b.limiter.ticket(b.pacing.pacer.Sent(now, n.request()))
	case b.limiter.parser == nil:
	default:
		f.state = blind
		b.sent++
		f.listen = b.sent <= firstAnswers || b.sent%everyAnswer == 0
	}
}

// meet finds the ticket of a flight that began before pacing was made.
func (b *bucket) meet(now time.Duration, n *need) {
	f, p := &n.flight, b.pacing
	if f.state != blind {
		return
	}
	if p.strays > 0 {
		p.strays--
		stray := p.stray
		p.pacer.Done(now, &stray, pace.Free)
	}
	f.ticket = b.limiter.ticket(p.pacer.Adopt(f.since, n.request()))
	f.state = paced
}

// land notes that the answer to a call has come, or that none will. Where nobody
// plans, that costs no lock.
func (b *bucket) land(n *need, outcome pace.Outcome) {
	f := &n.flight
	if f.state == landed {
		return
	}
	if f.state == blind && b.landed.Add(1) > 0 {
		f.state = landed
		return
	}
	now := b.lock()
	defer b.mu.Unlock()
	b.landLocked(now, n, outcome)
	b.dispatch(now)
}

// landLocked is land for a caller who dispatches.
func (b *bucket) landLocked(now time.Duration, n *need, outcome pace.Outcome) {
	f := &n.flight
	switch {
	case f.state == landed:
		return
	case f.state == blind && b.pacing == nil:
		b.landed.Add(1)
	default:
		b.meet(now, n)
		b.pacing.pacer.Done(now, f.ticket, outcome)
	}
	b.limiter.settled(f)
}

// news is what an answer has changed.
type news struct {
	replan Replan
	hold   time.Duration // from now on; 0 if none was added
	plan   PlanChange    // zero if it is not worth telling
}

// hear learns from the answer to a call, which has landed.
func (b *bucket) hear(n *need, quotas []pace.Quota, a pace.Answer) news {
	now := b.lock()
	defer b.mu.Unlock()
	f := &n.flight
	if b.pacing == nil && f.state == blind {
		b.landed.Add(1)
		f.state = landed
	}
	p := b.pace(now)
	b.meet(now, n)
	if f.state == landed {
		f.ticket = b.limiter.ticket(p.pacer.Adopt(f.since, n.request()))
	}
	p.pacer.Observe(now, f.ticket, quotas, a)
	p.pacer.Done(now, f.ticket, pace.Answered)
	b.limiter.settled(f)
	return b.learnt(now)
}

// ticket keeps a ticket. Most calls need none, so a call has no room for one.
func (l *Limiter) ticket(t pace.Ticket) *pace.Ticket {
	kept := l.tickets.Get().(*pace.Ticket)
	*kept = t
	return kept
}

// settled notes that a call has landed, and takes its ticket back.
func (l *Limiter) settled(f *flight) {
	f.state = landed
	if f.ticket != nil {
		l.tickets.Put(f.ticket)
		f.ticket = nil
	}
}

// learnt applies what the pacer may have learnt.
func (b *bucket) learnt(now time.Duration) (told news) {
	p, before, held := b.pacing, b.pacing.plan.Until, b.pacing.held
	if p.held = p.pacer.Held(); p.held > max(held, now) {
		told.hold = p.held - now
	}
	if b.queue == nil && b.limiter.config.Hooks.Plan == nil {
		return told // who wants to know the plan asks for it
	}
	next := need{cost: 1}
	if b.queue != nil && b.queue.count > 0 {
		next = b.queue.next().need
	}
	p.refresh(now, &next)
	told.plan = b.worthTelling(now)
	if b.queue == nil {
		return told
	}
	// To look at all who wait has to be worth it.
	if p.plan.Until > max(before, now) || p.plan.Rate < 0.9*p.replanned {
		told.replan = b.replan(now)
		return told
	}
	b.dispatch(now)
	return told
}

// worthTelling returns the plan if it differs much from what the hook was told.
func (b *bucket) worthTelling(now time.Duration) PlanChange {
	p := b.pacing
	if b.limiter.config.Hooks.Plan == nil || now-p.toldAt < tellEvery {
		return PlanChange{}
	}
	if p.held > now {
		return PlanChange{} // the hook Hold tells
	}
	c := PlanChange{Rate: p.plan.Rate, Burst: p.plan.Burst, Pause: max(0, p.plan.Until-now)}
	if math.IsInf(c.Rate, 1) {
		c.Rate = 0
	}
	if c.Pause < time.Second {
		c.Pause = 0
	}
	last := p.told
	if (c.Pause > 0) == (last.Pause > 0) && c.Rate < 1.5*last.Rate && last.Rate < 1.5*c.Rate ||
		c.Rate == last.Rate && c.Pause == 0 && last.Pause == 0 {
		return PlanChange{}
	}
	p.told, p.toldAt = c, now
	c.Key = b.key.String()
	return c
}
