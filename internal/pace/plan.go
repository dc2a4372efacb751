package pace

import (
	"math"
	"time"
)

const (
	// The stretch of time whose share may go at once.
	slice = time.Second

	maxBurst = 1 << 30
)

// Plan is how fast requests may go, and from when.
type Plan struct {
	// Until is the time before which nothing goes. It is not before the time of
	// the question, and at most Config.MaxWait after it.
	Until time.Duration

	// Resume is the time at which the server is believed to serve again. It is
	// after Until only if that is more than Config.MaxWait away; then what goes
	// at Until is one request that asks.
	Resume time.Duration

	// Rate is how many requests like the one asked about may go per second. It
	// is positive, and +Inf if nothing limits it.
	Rate float64

	// Burst is how many of them may go at once, at least 1.
	Burst int
}

// Plan says when req may go, and how fast others like it may follow. It changes
// nothing.
func (p *Pacer) Plan(now time.Duration, req Request) Plan {
	req.Cost.clean()
	v := p.look(now, req)
	if v.restarting {
		v.plan.Burst = 1
		if room := p.room(now, v.restart); room > now {
			v.plan.wait(room, room)
		}
	}
	v.plan.Until = min(v.plan.Until, now+p.rules.config.MaxWait)
	return v.plan
}

// view is the state of the bucket at one time, for one kind of request.
type view struct {
	plan Plan

	// The bucket feels its way since restart, because at that time it was last
	// found to know nothing.
	restarting bool
	restart    time.Duration
}

// look asks all windows.
func (p *Pacer) look(now time.Duration, req Request) view {
	v := view{plan: Plan{Until: now, Resume: now, Rate: p.rules.config.Rate, Burst: maxBurst}}
	v.open(now, p.held, p.resume)
	for i := range p.windows {
		p.ask(&v, &p.windows[i], now, &req)
	}
	// A pace slower than one in MaxWait would be a longer wait in disguise.
	v.plan.Rate = min(max(v.plan.Rate, 1/p.rules.config.MaxWait.Seconds()), p.rules.config.Rate)
	if rate := v.plan.Rate; !math.IsInf(rate, 1) {
		v.plan.Burst = min(v.plan.Burst, int(min(max(1, math.Ceil(rate*slice.Seconds())), maxBurst)))
	}
	v.restarting = p.heard < v.restart || p.ramp > 0
	return v
}

// ask lets w have its say.
func (p *Pacer) ask(v *view, w *window, now time.Duration, req *Request) {
	c := &p.rules.config
	need, flying := req.Cost[w.id.unit], p.flying[w.id.unit]
	level, regained := w.level(now), 0.0
	if c.Mode == Spread { // the others wait for one that looks
		regained = w.regained(now)
		level += regained
	}
	whole := w.full()
	if !req.Interactive {
		level -= c.Reserve * whole
		whole -= c.Reserve * whole
	}
	// What costs more than all there ever is goes when all is there.
	enough := max(min(need, whole), math.SmallestNonzeroFloat64)
	free := level - flying - min(w.caution(now), max(0, whole-enough))
	switch {
	case w.remaining < 0:
		v.plan.slow(w.rate(now, 0, flying, c.Mode), need)
		return
	case w.blank():
		v.plan.slow(w.blankRate(), need)
		return
	case w.over(now) && (level < enough || regained == 0 && w.low(now)):
		v.open(now, w.end()+w.jitter, w.end()+w.jitter)
		return
	case free < enough:
		p.block(v, w, now, need, enough-free)
		return
	}
	v.plan.slow(w.rate(now, free, flying, c.Mode), need)
	if need > 0 {
		v.plan.Burst = int(min(float64(v.plan.Burst), max(1, free/need)))
	}
}

// block keeps requests back for which w has too little left.
func (p *Pacer) block(v *view, w *window, now time.Duration, need, lack float64) {
	c := &p.rules.config
	if w.over(now) {
		// There should be more by now, but an answer has to say so.
		until := now + c.ProbeTimeout
		if c.Mode == Spread && w.regained(now) > 0 {
			if at, ok := w.backBy(now, lack); ok {
				until = min(until, at)
			}
		}
		v.plan.wait(until, until)
		return
	}
	until := w.end() + w.jitter
	switch {
	case w.fill > 0:
		until = min(until, now+time.Duration(math.Ceil(min(lack/w.fill, year.Seconds())*float64(time.Second))))
	case w.slides():
		// What of ours will have left by when is known. If others have used
		// more than a little, they may leave something, too: one goes and looks.
		until = min(until, w.seen+max((until-w.seen)/2, c.Guard/4))
		at, ok := w.backBy(now, lack)
		if c.Mode == Spread {
			v.plan.slow(w.steady(), need) // it goes on as evenly as before
			v.plan.Burst = 1
		} else {
			at += w.slide.trail.width // many come back together, and not by the clock
		}
		if ask := w.seen + c.MaxWait; ok && now < ask && (w.mostlyOurs(now) || now < until && at < until) {
			v.plan.wait(min(at, ask), at)
			return
		}
	case w.flows:
		until = min(until, w.seen+max((w.to-w.seen)/10, c.Guard/4))
	case w.brief():
		until = min(until, w.dueAgain())
	case !w.timed && w.length < 0:
		// It may be a window of a second or of a day: what has lasted for a
		// while will go on for a while.
		until = min(until, w.seen+max((w.seen-w.opened)/4, c.Guard))
	}
	v.open(now, min(until, w.seen+c.MaxWait), until)
}

// open keeps the bucket shut until the time given, from which on it feels its
// way.
func (v *view) open(now, until, resume time.Duration) {
	if until > now {
		v.plan.wait(until, resume)
		return
	}
	v.restart = max(v.restart, until)
}

// room is when another request may go while the bucket feels its way: at once if
// few enough are on their way, or when twice as many may be.
func (p *Pacer) room(now, restart time.Duration) time.Duration {
	if p.restart != restart || p.probes == 0 {
		return now
	}
	waited := max(0, now-p.moved)
	timeout := p.rules.config.ProbeTimeout
	allowed := 1 // as long as nothing has been heard since, whatever was allowed before
	if p.heard >= restart {
		allowed = max(1, p.ramp)
	}
	if float64(p.probes) < float64(allowed)*math.Exp2(float64(waited/timeout)) {
		return now
	}
	return now + timeout - waited%timeout
}

func (plan *Plan) wait(until, resume time.Duration) {
	plan.Until = max(plan.Until, until)
	plan.Resume = max(plan.Resume, until, resume)
}

// slow lowers the rate to that of units per second, of which a request needs
// some.
func (plan *Plan) slow(units, need float64) {
	if need > 0 {
		plan.Rate = min(plan.Rate, units/need)
	}
}
