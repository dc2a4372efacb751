package breaker_test

import (
	"time"

	"github.com/holdfast-go/holdfast/breaker"
)

// model is what a circuit has to do, written from the documentation alone: with
// a list of all results in place of a window, and nothing else that is clever.
// Times are those since the breaker was made; Config has no field left at zero
// or off by a negative number, except for Jitter.
type model struct {
	config  breaker.Config
	state   breaker.State
	forced  bool
	phase   int           // how many changes there were
	since   time.Duration // of the last one
	until   time.Duration // when an open circuit lets a probe through
	failed  int           // how often probes have failed in a row
	streak  int
	results []result // while closed
	taken   int      // places of probes
	good    int      // probes that succeeded
	probes  []*modelCall
}

type result struct {
	at           time.Duration
	failed, slow bool
}

// modelCall is a call that was let through.
type modelCall struct {
	phase    int
	probe    bool
	start    time.Duration
	answered bool // the header was good
	freed    bool // its lease is over, and it had no answer
	over     bool
}

type verdict int

const (
	success verdict = iota
	failure
	neither
)

func (m *model) change(to breaker.State, now time.Duration) {
	m.state, m.since = to, now
	m.phase++
	m.streak, m.results, m.taken, m.good, m.probes = 0, nil, 0, 0, nil
	if to == breaker.Closed {
		m.failed = 0
	}
}

func (m *model) open(now, wait time.Duration) {
	stay := m.config.OpenTimeout
	for range m.failed {
		stay = min(2*stay, m.config.MaxOpenTimeout)
	}
	stay = max(stay, min(wait, m.config.MaxRetryAfter))
	m.change(breaker.Open, now)
	m.until = now + stay + 1
}

// refused reports whether a call that comes now is refused.
func (m *model) refused(now time.Duration) bool {
	switch m.state {
	case breaker.Open:
		return m.forced || now < m.until
	case breaker.HalfOpen:
		return m.taken >= m.config.Probes
	}
	return false
}

// begin returns the call that comes now, or nil if it is refused.
func (m *model) begin(now time.Duration) *modelCall {
	if m.refused(now) {
		return nil
	}
	if m.state == breaker.Open {
		m.change(breaker.HalfOpen, now)
	}
	c := &modelCall{phase: m.phase, start: now, probe: m.state == breaker.HalfOpen}
	if c.probe {
		m.taken++
		m.probes = append(m.probes, c)
	}
	return c
}

// end is the result of c. What comes late changes nothing.
func (m *model) end(c *modelCall, v verdict, now, wait time.Duration) {
	if c.over || c.phase != m.phase {
		return
	}
	c.over = true
	slow := now-c.start >= m.config.SlowCall
	if c.probe {
		m.endProbe(c, v, slow, now, wait)
		return
	}
	if v == neither {
		return
	}
	m.results = append(m.results, result{at: now, failed: v == failure, slow: slow})
	if m.streak++; v == success {
		m.streak = 0
	}
	if m.forced {
		return
	}
	n := m.counts(now)
	calls := float64(n.Successes + n.Failures)
	enough := int(calls) >= m.config.MinCalls
	switch {
	case v == failure && m.streak >= m.config.ConsecutiveFailures,
		v == failure && enough && float64(n.Failures)/calls >= m.config.FailureRatio,
		slow && enough && float64(n.Slow)/calls >= m.config.SlowRatio:
		m.open(now, wait)
	}
}

func (m *model) endProbe(c *modelCall, v verdict, slow bool, now, wait time.Duration) {
	switch {
	case v == neither && c.freed:
	case v == neither:
		m.taken--
	case v == failure || slow:
		m.failed++
		m.open(now, wait)
	default:
		if m.good++; m.good == m.config.Probes {
			m.change(breaker.Closed, now)
		}
	}
}

// expire ends the leases that are over, the oldest first.
func (m *model) expire(now time.Duration) {
	for _, c := range m.probes {
		end := c.start + m.config.ProbeLease
		switch {
		case c.over || c.freed || c.phase != m.phase || end > now:
		case c.answered:
			m.end(c, success, end, 0)
		default:
			c.freed = true
			m.taken--
		}
	}
}

func (m *model) force(to breaker.State, now time.Duration) {
	if m.forced && m.state == to {
		return
	}
	m.change(to, now)
	m.forced = true
}

func (m *model) release(now time.Duration) bool {
	if !m.forced {
		return false
	}
	m.change(breaker.Closed, now)
	m.forced = false
	return true
}

// counts are those of the tenths of the window that are not yet over, the
// present one included.
func (m *model) counts(now time.Duration) (n breaker.Counts) {
	tenth := m.config.Window / 10
	for _, r := range m.results {
		if now/tenth-r.at/tenth >= 10 {
			continue
		}
		if r.failed {
			n.Failures++
		} else {
			n.Successes++
		}
		if r.slow {
			n.Slow++
		}
	}
	n.Consecutive = m.streak
	n.Successes += m.good
	return n
}

// circuit is what Snapshot has to show.
func (m *model) circuit(key string, begin time.Time, now time.Duration) breaker.Circuit {
	c := breaker.Circuit{Key: key, State: m.state, Forced: m.forced, Counts: m.counts(now)}
	if m.phase > 0 {
		c.Since = begin.Add(m.since)
	}
	if m.state == breaker.Open && !m.forced {
		c.NextProbe = begin.Add(m.until)
	}
	return c
}
