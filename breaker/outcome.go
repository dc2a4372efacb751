package breaker

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// outcome reports how an admitted call went, once. A probe that does not has a
// lease.
//
// It outlives the use of its entry: if that is forgotten meanwhile, it reports
// to a circuit that nobody asks any more.
type outcome struct {
	breaker *Breaker
	entry   *keyed.Entry[httpx.Key, circuit]
	ctx     context.Context // the caller's: the outcome lives as long as the call
	phase   phase           // that the call was admitted in
	started time.Duration   // only known when a call can be slow
	probe   *probe          // nil in a closed circuit
}

// probe is what reports of the same probe race for: its end and its lease.
type probe struct {
	done     func(error) // gobreaker's
	reported atomic.Bool
	answered atomic.Bool // with a good header: what may be late is the body
	overdue  atomic.Bool // the lease is over
	freed    bool        // another may have its place; guarded by circuit.mu
	timer    *time.Timer
}

// start begins the time of the call, which hooks have had none of.
func (o *outcome) start() {
	if o.breaker.config.SlowCall > 0 {
		o.started = o.breaker.now()
	}
}

// lease makes a probe of the call, whose place is free again after a while,
// whatever hooks do before it is sent.
func (o *outcome) lease(done func(error)) {
	o.probe = &probe{done: done}
	o.start()
	leased := *o
	o.probe.timer = time.AfterFunc(o.breaker.config.ProbeLease, leased.expire)
}

// expire ends the lease. A good answer has to do even if its body goes on, or an
// upstream that only streams would never get its calls back; and one without an
// answer yet has not failed, or the same would be true of an upstream whose
// answers take longer than a lease. The hook learns of it with the next call: a
// panic on the timer's goroutine could be caught by nobody.
func (o *outcome) expire() {
	p := o.probe
	p.overdue.Store(true)
	if !p.answered.Load() {
		o.giveUpPlace()
	} else if p.reported.CompareAndSwap(false, true) {
		o.endProbe(Success, nil, "")
	}
}

// giveUpPlace lets another call be a probe. The result of this one still counts.
func (o *outcome) giveUpPlace() {
	c := o.entry.Value()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble.Load().phase() == o.phase && !o.probe.reported.Load() {
		o.probe.freed = true
		o.probe.done(errNoResult)
	}
}

// report tells the circuit how the call went. If it opens because of that, the
// fields of an answer that failed, nil if there was none, say for how long at
// least. Then it tells the hook.
func (o *outcome) report(v Verdict, fields http.Header) {
	switch {
	case o.probe != nil:
		if !o.probe.reported.CompareAndSwap(false, true) {
			return
		}
		o.probe.timer.Stop()
		o.endProbe(v, fields, "a probe failed")
	case v != Neither:
		c := o.entry.Value()
		if n, ask := c.count(o, v, o.breaker.now(), fields); ask && o.breaker.config.Trip(n) {
			c.tripIfAsked(o, fields)
		}
	}
	o.entry.Value().tell()
}

// endProbe tells the machine how a probe went, unless the circuit has changed
// since: the machine would take no notice of the result then, but of the time.
func (o *outcome) endProbe(v Verdict, fields http.Header, reason string) {
	c := o.entry.Value()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trouble.Load()
	if t.phase() != o.phase {
		return
	}
	if v == Success && o.breaker.config.SlowRatio > 0 && o.slow(o.breaker.now()) {
		v, reason = Failure, "a probe was slow"
	}
	t.say(reason, fields)
	switch v {
	case Success:
		o.probe.done(nil)
	case Neither:
		if !o.probe.freed {
			o.probe.done(errNoResult)
		}
	default:
		o.probe.done(errFailure)
	}
}

// slow reports whether a call that ends now has taken too long.
func (o *outcome) slow(now time.Duration) bool {
	limit := o.breaker.config.SlowCall
	return limit > 0 && now-o.started >= limit
}

// answered notes that a good answer has come, whose body the caller now reads.
func (o *outcome) answered() {
	if p := o.probe; p != nil {
		p.answered.Store(true)
		if p.overdue.Load() {
			o.report(Success, nil)
		}
	}
}

// End reports a call whose response was good when its body has ended.
func (o outcome) End(err error) {
	v := Success
	if err != nil {
		v = o.blame(err)
	}
	o.report(v, nil)
}

// blame decides whose fault an error is: the upstream's, or nobody's that
// counts because the caller has gone or something below has refused the call.
func (o *outcome) blame(err error) Verdict {
	if httpx.Over(o.ctx) != nil {
		return Neither
	}
	if httpx.SaysRefused(err) {
		return Neither
	}
	return o.breaker.classify(err)
}

// classify asks Config.Classify about an error, nil being that of a transport
// that returned nothing at all.
func (b *Breaker) classify(err error) Verdict {
	if b.config.Classify != nil && err != nil {
		if v := b.config.Classify(err); v == Success || v == Neither {
			return v
		}
	}
	return Failure
}
