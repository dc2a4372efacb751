package pace

import (
	"cmp"
	"time"
)

// Answer is what an answer says beside quotas.
type Answer struct {
	// Throttled says that the server refused the request for having sent too
	// much.
	Throttled bool
	// RetryAfter is how long the server wants to be left alone, if it is
	// Throttled. 0 and less mean that it did not say.
	RetryAfter time.Duration
}

const (
	// The strikes after which the back-off no longer doubles.
	maxStrikes = 32
	// The strikes that count as long as the server serves requests between
	// them: it refuses what is too much, and is not about to refuse for long.
	maxServed = 3
	// The number on their way at which the way back from a hold ends.
	rampEnd = 32
)

// Observe learns from an answer to t. The caller leaves out answers that do not
// come from the server itself, such as those of a cache with a positive Age.
//
// It reports whether a plan may have changed. It keeps neither quotas nor their
// strings, and looks at no more than 64 of them.
func (p *Pacer) Observe(now time.Duration, t *Ticket, quotas []Quota, a Answer) bool {
	changed := false
	var ours Cost // what the request used up and no answer to it told of
	if !t.reported && !a.Throttled {
		ours = t.cost
	}
	if len(quotas) > maxQuotas {
		quotas = quotas[:maxQuotas]
	}
	spent := false
	for i := range quotas {
		var r report
		if r.read(&quotas[i], t.sent, now, p.rules.config.Guard) {
			t.reported, r.refused = true, a.Throttled
			changed = p.learn(&r, ours[r.id.unit]) || changed
			if r.remaining >= 0 && r.remaining < max(1, t.cost[r.id.unit]) {
				w := p.find(r.id)
				spent = spent || w == nil || !w.blank()
				if a.Throttled && w != nil {
					w.refused(now)
				}
			}
		}
	}
	if a.Throttled {
		for i := range p.windows { // the refusal itself may say nothing of them
			spent = spent || p.windows[i].spentFor(t)
		}
		t.throttled = true
		return p.throttle(now, t, a.RetryAfter, spent) || changed
	}
	return changed
}

// learn brings r to its window, and what of it a request of ours used up.
func (p *Pacer) learn(r *report, ours float64) bool {
	w := p.find(r.id)
	if w != nil {
		opened := w.opened
		w.weigh(r)
		w.study(r)
		changed := w.merge(r, p.rules.config.Jitter)
		w.follow(r, p.flying[r.id.unit])
		if changed && w.opened == opened {
			w.ours += ours
		}
		return changed
	}
	if len(p.windows) < maxWindows {
		p.windows = append(p.windows, window{})
		w = &p.windows[len(p.windows)-1]
	} else if w = p.leastUseful(r.now); w.moreUseful(r) {
		return false
	}
	w.open(r, p.rules.config.Jitter())
	w.weigh(r)
	w.study(r)
	w.follow(r, p.flying[r.id.unit])
	return true
}

// find returns the window of a quota, or nil.
func (p *Pacer) find(id identity) *window {
	for i := range p.windows {
		if w := &p.windows[i]; w.id == id {
			return w
		}
	}
	return nil
}

// leastUseful is the window to be forgotten for another: one that is over, or
// else one with something left, or else the one not heard of for longest. Of
// equals it is the one with most left.
func (p *Pacer) leastUseful(now time.Duration) *window {
	least := &p.windows[0]
	for i := range p.windows[1:] {
		if w := &p.windows[i+1]; w.lessUseful(least, now) {
			least = w
		}
	}
	return least
}

func (w *window) lessUseful(than *window, now time.Duration) bool {
	if over := w.over(now); over != than.over(now) {
		return over
	}
	if spent := w.remaining == 0; spent != (than.remaining == 0) {
		return !spent
	}
	if w.seen != than.seen {
		return w.seen < than.seen
	}
	return w.remaining > than.remaining
}

// moreUseful reports whether to keep w rather than take in r: if it is spent, or
// as new as r and not looser.
func (w *window) moreUseful(r *report) bool {
	if w.over(r.now) || r.remaining == 0 {
		return false
	}
	return w.remaining == 0 || w.seen == r.now && w.remaining <= r.remaining
}

// throttle obeys a refusal. Many requests on their way are refused together, so
// only one that was sent after the last strike is another strike.
//
// A pause is never cut short by a later, shorter wish: the refusals that come
// while the bucket is quiet belong to requests sent before, and none of them
// knows more than the one that asked for most.
func (p *Pacer) throttle(now time.Duration, t *Ticket, asked time.Duration, spent bool) bool {
	asked = max(0, asked)
	if t.epoch == p.epoch {
		p.epoch++
		p.struck = now
		if p.strikes == 0 || spent && p.served {
			p.row = now // it has started anew since
		}
		p.strikes = min(p.strikes+1, maxStrikes)
		switch {
		case p.strikes > 1 && (asked == 0 || !p.served):
			// What was asked for before, or drawn, was not enough.
			pause := p.backoff(p.strikes - 1)
			if spent { // it comes back as a whole, and being late wastes all of it
				pause = min(pause, max((now-p.row)/4, p.impatience(t)))
			}
			asked = max(asked, pause)
		case asked == 0 && !spent:
			asked = max(1, p.backoff(1))
		}
		p.served = false
	}
	if asked == 0 {
		return false // the reset of what is spent says when to go on
	}
	before := p.held
	p.held = max(p.held, now+min(asked, p.rules.config.MaxWait))
	p.resume = max(p.resume, now+min(asked, year))
	p.ramp = 1
	return p.held > before
}

// impatience is how long a pause may be at least though something is spent.
func (p *Pacer) impatience(t *Ticket) time.Duration {
	least := time.Duration(0)
	for i := range p.windows {
		w := &p.windows[i]
		switch {
		case !w.spentFor(t):
		case w.brief():
			least = max(least, w.look())
		default:
			return p.rules.config.Backoff
		}
	}
	return cmp.Or(least, p.rules.config.Backoff)
}

// spentFor reports whether w has too little left for one like t.
func (w *window) spentFor(t *Ticket) bool {
	return w.remaining >= 0 && w.remaining < max(1, t.cost[w.id.unit]) && !w.blank()
}

// backoff draws a pause after n strikes: anywhere up to an end that doubles
// (full jitter).
func (p *Pacer) backoff(n uint8) time.Duration {
	c := &p.rules.config
	end := min(float64(c.Backoff)*float64(uint64(1)<<(n-1)), float64(c.MaxWait))
	return time.Duration(end * c.Jitter())
}
