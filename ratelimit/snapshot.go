package ratelimit

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Bucket is what a key was at the time of a [Limiter.Snapshot].
type Bucket struct {
	// Key is the origin, or what Config.Key returned, or the key of Acquire.
	// After a space there may follow a hash of the credential, and the part that
	// answers have named.
	Key string
	// Rate is how many tokens per second the bucket gets at present, without
	// regard to what the server has told. 0 means no limit.
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
	// Server is what the server has told; nil if nothing.
	Server *Server
}

// Server is what is known of a bucket from the answers of its server.
type Server struct {
	// Rate is how many tokens per second may be sent by its quotas; 0 means no
	// limit. Burst is how many at once.
	Rate  float64
	Burst int
	// Until is the time before which nothing may be sent; zero if something may
	// be at once. Resume is when the server is believed to serve again.
	Until, Resume time.Time
	// UnderWay is how many requests were sent and not answered.
	UnderWay int
	// Throttled is how many throttles came in a row.
	Throttled int
	// Quotas are the limits that it has told, with what remains by now. Where a
	// quota flows rather than starts anew, ResetIn says no more than the server
	// said last.
	Quotas []Quota
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
		if parts := b.parts.Load(); parts != nil {
			for _, part := range parts.all() {
				all = append(all, part.snapshot())
			}
		}
	}
	slices.SortFunc(all, func(x, y Bucket) int { return strings.Compare(x.Key, y.Key) })
	return all
}

func (b *bucket) snapshot() Bucket {
	now := b.lock()
	defer b.mu.Unlock()
	f := b.outlook(now, &need{cost: 1})
	s := Bucket{Key: b.key.String(), Rate: f.own.rate, Burst: int(f.own.burst), NextSlot: b.at(now)}
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
		s.NextSlot = b.at(now + min(wait, forever-now))
	}
	until := b.budget.gate
	if b.pacing != nil {
		s.Server = b.pacing.snapshot(now, &b.limiter.start)
		until = max(until, b.pacing.held)
	}
	if until > now {
		s.HeldUntil = b.at(until)
	}
	return s
}

// at is the time of the calendar at now.
func (b *bucket) at(now time.Duration) time.Time { return b.limiter.start.Add(now) }

// snapshot returns what is known from the server.
func (p *pacing) snapshot(now time.Duration, start *time.Time) *Server {
	of := p.pacer.Snapshot(now)
	s := &Server{
		Burst: p.plan.Burst, UnderWay: int(of.InFlight[Requests]), Throttled: of.Strikes,
		Resume: start.Add(max(p.plan.Resume, now)),
	}
	if !math.IsInf(p.plan.Rate, 1) {
		s.Rate = p.plan.Rate
	}
	if p.plan.Until > now {
		s.Until = start.Add(p.plan.Until)
	}
	for i := range of.Windows {
		w := &of.Windows[i]
		q := Quota{
			Policy: w.Policy, Resource: w.Resource, Partition: w.Partition, Unit: Unit(w.Unit),
			Limit: w.Limit, Remaining: w.Remaining, Used: -1, Window: w.Length,
			ResetIn: max(0, (w.From+w.To)/2-now), FillRate: -1,
		}
		if q.Limit >= 0 && q.Remaining >= 0 {
			q.Used = q.Limit - q.Remaining
		}
		s.Quotas = append(s.Quotas, q)
	}
	return s
}
