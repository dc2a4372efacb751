package breaker

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Counts is what a closed circuit has counted in the last Config.Window, or a
// half-open one of its probes.
type Counts struct {
	// Successes and Failures are the calls that ended so.
	Successes, Failures int
	// Slow is how many of all those calls took Config.SlowCall or longer.
	Slow int
	// Consecutive is how many calls have failed in a row up to now, whenever
	// that was, while the circuit was closed.
	Consecutive int
}

// circuit is the state of one key. There may be very many keys of which
// nothing bad is known: all that they need is a count of their successes.
type circuit struct {
	trouble atomic.Pointer[trouble] // stored with mu held; nil until the first bad call

	mu   sync.Mutex
	step int64                 // the number of the window's newest bucket
	good [windowBuckets]uint32 // successes that were not slow, by step modulo windowBuckets
}

// badBucket is the part of a bucket that a circuit without trouble has not.
type badBucket struct{ failures, slowFailures, slowSuccesses uint32 }

// increment stays at the largest number: a share of that many says all.
func increment(n *uint32) {
	if *n < math.MaxUint32 {
		*n++
	}
}

// roll moves the window to the time now and returns the index of its newest
// bucket, each of which lasts for the time width. mu is held.
func (c *circuit) roll(now, width time.Duration) int {
	// A call that took the lock late may come with an older time: it counts
	// in the newest bucket there is.
	if now >= time.Duration(c.step+1)*width {
		t, step := c.trouble.Load(), int64(now/width)
		for s := max(c.step, step-windowBuckets) + 1; s <= step; s++ {
			c.good[s%windowBuckets] = 0
			if t != nil {
				t.bad[s%windowBuckets] = badBucket{}
			}
		}
		c.step = step
	}
	return int(c.step % windowBuckets)
}

// count counts a call that ended at the time now while the circuit was closed,
// and opens the circuit if a rule says so. It reports whether Trip has to be
// asked about the counts.
func (c *circuit) count(o *outcome, v Verdict, now time.Duration, fields http.Header) (n Counts, ask bool) {
	config := &o.breaker.config
	slow := o.slow(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trouble.Load()
	if t != nil && t.phase() != o.phase {
		return n, false
	}
	i := c.roll(now, o.breaker.width)
	if v == Success && !slow {
		increment(&c.good[i])
		if t != nil && t.streak != 0 { // what is not written stays in all caches
			t.streak = 0
		}
		return n, false
	}
	if t == nil {
		t = c.getIntoTrouble(o.breaker, o.entry.Key())
	}
	t.count(i, v, slow)
	if o.phase.forced() {
		return n, false
	}
	n = c.counts()
	if reason := config.tripped(n, v, slow); reason != "" {
		t.open(reason, fields)
		return n, false
	}
	return n, config.Trip != nil
}

// tripped applies the rules and returns why the circuit has to open, if it has.
func (c *Config) tripped(n Counts, v Verdict, slow bool) string {
	calls := n.Successes + n.Failures
	over := func(part int, ratio float64) bool {
		// Divided, the share of 7 in 25 is the 0.28 of a Config to the last bit.
		return ratio > 0 && calls >= c.MinCalls && float64(part)/float64(calls) >= ratio
	}
	switch {
	case v == Failure && c.ConsecutiveFailures > 0 && n.Consecutive >= c.ConsecutiveFailures:
		return fmt.Sprintf("failures in a row: %d", n.Consecutive)
	case v == Failure && over(n.Failures, c.FailureRatio):
		return fmt.Sprintf("%d of %d calls failed", n.Failures, calls)
	case slow && over(n.Slow, c.SlowRatio):
		return fmt.Sprintf("%d of %d calls were slow", n.Slow, calls)
	}
	return ""
}

// counts adds up the window. mu is held.
func (c *circuit) counts() (n Counts) {
	for _, good := range c.good {
		n.Successes += int(good)
	}
	t := c.trouble.Load()
	if t == nil {
		return n
	}
	for _, bad := range t.bad {
		n.Successes += int(bad.slowSuccesses)
		n.Failures += int(bad.failures)
		n.Slow += int(bad.slowSuccesses) + int(bad.slowFailures)
	}
	n.Consecutive = t.streak
	return n
}

// tripIfAsked opens the circuit because Config.Trip wants it so, unless it has
// changed while Trip thought.
func (c *circuit) tripIfAsked(o *outcome, fields http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.trouble.Load(); t.phase() == o.phase {
		t.open("Config.Trip", fields)
	}
}

// worthKeeping keeps a circuit that is not closed from being forgotten, unless
// nobody has come for a probe in a long time.
func (c *circuit) worthKeeping() bool {
	t := c.trouble.Load()
	if t == nil || t.phase().state() == Closed {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := t.breaker.now()
	switch t.phase().state() {
	case Open:
		return now < t.openUntil+t.breaker.config.Window
	case HalfOpen:
		return now < t.since+t.breaker.config.ProbeLease
	}
	return false
}
