package pace

import "time"

// maxWindows is how many quotas a Pacer keeps in mind, and maxQuotas how many of
// one answer it looks at.
const (
	maxWindows = 8
	maxQuotas  = 64
)

// Pacer plans the requests of one bucket: of all that share the same quotas.
//
// Each request is Sent, Observed any number of times (the header and the body of
// an answer may both tell of quotas), and Done, in this order or with the last
// Observe after Done. What Plan returns holds until the next of these calls.
//
// All times are durations since the same start. They must not be negative, and
// go forward from call to call. A Pacer has no lock: its methods must not be
// called at the same time. Make it with [Rules.NewPacer].
type Pacer struct {
	rules   *Rules
	windows []window // at most maxWindows
	flying  Cost     // of the requests that are sent and not done

	heard time.Duration // when the latest request was sent that was answered

	// The requests that were sent since restart, when the bucket last began to
	// feel its way, and are not done.
	restart time.Duration
	probes  int
	moved   time.Duration // when the first of them was sent, or the last brought good news

	held, resume time.Duration // nothing is sent before held; the server asked for resume
	epoch        uint32        // grows with each strike
	strikes      uint8         // throttles in a row, each of a request sent after the last
	served       bool          // a request was, that was sent after the last strike
	struck       time.Duration // when epoch grew last
	row          time.Duration // when the first of the row came
	ramp         int           // how many may be on their way after a hold; 0: any number
}

// NewPacer returns a Pacer that knows nothing yet.
func (r *Rules) NewPacer() *Pacer { return &Pacer{rules: r, heard: unknown} }

// Request is what is to be sent.
type Request struct {
	// Cost is what it uses up. Numbers that are negative or not finite count
	// as 0.
	Cost Cost
	// Interactive says that it may use what Config.Reserve keeps back.
	Interactive bool
}

// Ticket stands for a request on its way.
type Ticket struct {
	cost      Cost
	sent      time.Duration
	restart   time.Duration // if probe
	epoch     uint32
	probe     bool
	reported  bool // an answer told of a quota
	throttled bool
	done      bool
}

// Outcome is how a request ended.
type Outcome uint8

const (
	// Answered is a request that the server answered.
	Answered Outcome = iota
	// Lost is a request without an answer, which the server may have counted.
	Lost
	// Free is one that cost nothing: it never left, or a cache answered it.
	Free
)

// Sent counts req as on its way. It does not ask whether the plan allows it; what
// goes all the same makes the plan stricter for those after it.
func (p *Pacer) Sent(now time.Duration, req Request) Ticket {
	req.Cost.clean()
	t := Ticket{cost: req.Cost, sent: now, epoch: p.epoch}
	p.launch(&t)
	if v := p.look(now, req); v.restarting {
		if p.probes == 0 || p.restart != v.restart {
			p.restart, p.probes, p.moved = v.restart, 0, now
		}
		p.probes++
		t.probe, t.restart = true, v.restart
	}
	return t
}

// Adopt is Sent for a request that went at the time sent, which may lie before
// the Pacer was made: one that had no Pacer at that time, or another one.
func (p *Pacer) Adopt(sent time.Duration, req Request) Ticket {
	req.Cost.clean()
	t := Ticket{cost: req.Cost, sent: sent, epoch: p.epoch}
	if sent < p.struck {
		t.epoch-- // whatever it is answered, the last strike was for it as well
	}
	p.launch(&t)
	return t
}

// launch counts t as on its way.
func (p *Pacer) launch(t *Ticket) {
	for unit, n := range t.cost {
		p.flying[unit] += n
	}
	for i := range p.windows {
		w := &p.windows[i]
		w.slide.trail.add(t.sent, t.cost[w.id.unit])
	}
}

// Held is the time before which nothing goes because of a throttle.
func (p *Pacer) Held() time.Duration { return p.held }

// Done ends the way of a request: when the header of its answer has come, or
// when none will. A second call does nothing.
//
// A request whose answer told of no quota, and one without an answer, counts
// against all of them until one that was sent later brings a report.
func (p *Pacer) Done(now time.Duration, t *Ticket, outcome Outcome) {
	if t.done {
		return
	}
	t.done = true
	for unit, n := range t.cost {
		p.flying[unit] = max(0, p.flying[unit]-n)
	}
	if t.probe && t.restart == p.restart {
		p.probes = max(0, p.probes-1)
	}
	if outcome == Answered {
		p.hear(now, t)
	}
	if outcome == Free || t.throttled {
		for i := range p.windows {
			w := &p.windows[i]
			w.slide.trail.remove(t.sent, t.cost[w.id.unit])
		}
	}
	if outcome == Free || t.reported {
		return
	}
	for i := range p.windows {
		if w := &p.windows[i]; !w.over(now) && t.cost[w.id.unit] > 0 {
			w.miss(now, t.cost[w.id.unit])
		}
	}
}

// hear takes notice that t was answered.
func (p *Pacer) hear(now time.Duration, t *Ticket) {
	p.heard = max(p.heard, t.sent)
	if t.throttled || t.epoch != p.epoch {
		return
	}
	p.served = true
	p.strikes = min(p.strikes, maxServed)
	if p.ramp > 0 {
		// What slow answers had doubled stays so: they bring good news as well.
		p.moved += max(0, now-p.moved) % p.rules.config.ProbeTimeout
		if p.ramp++; p.ramp <= rampEnd {
			return
		}
	}
	p.ramp, p.strikes = 0, 0
}

// clean makes c fit for addition.
func (c *Cost) clean() {
	for unit, n := range c {
		c[unit] = max(0, amount(n))
	}
}
