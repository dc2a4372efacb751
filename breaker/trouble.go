package breaker

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// trouble is what a circuit has besides from its first bad call on: gobreaker's
// state machine and all that goes with its states.
//
// A closed circuit has no machine. One is made and told of the failure that opens
// the circuit, and goes when that has closed again. The counts that say which
// failure that is are ours, because the machine knows nothing of slow calls, asks
// its callbacks with its lock held, and takes a quarter of a kilobyte for a window.
type trouble struct {
	breaker *Breaker
	circuit *circuit
	key     httpx.Key
	current atomic.Uint64 // a phase, stored with circuit.mu held
	waiting atomic.Int32  // len(changes)

	// The rest is guarded by circuit.mu. The machine's own lock is only taken
	// inside of it.
	machine   *gobreaker.TwoStepCircuitBreaker[struct{}] // nil while closed or forced
	bad       [windowBuckets]badBucket
	streak    int           // failures in a row while closed
	since     time.Duration // when the phase began
	openUntil time.Duration // of the last opening
	reopened  int           // how often probes have failed since it was closed
	reason    string        // for the change to come
	asked     time.Duration // the wait that the answer being reported wants

	changes  []Change // for the hook, in their order
	draining bool     // a goroutine is taking them there
}

// What gobreaker is told about a call, nil being success.
var (
	errFailure  = errors.New("failure")
	errNoResult = errors.New("neither success nor failure")
)

var states = [...]State{
	gobreaker.StateClosed:   Closed,
	gobreaker.StateHalfOpen: HalfOpen,
	gobreaker.StateOpen:     Open,
}

// getIntoTrouble returns the trouble of c, made if there is none. mu is held.
func (c *circuit) getIntoTrouble(b *Breaker, key httpx.Key) *trouble {
	if t := c.trouble.Load(); t != nil {
		return t
	}
	t := &trouble{breaker: b, circuit: c, key: key}
	c.trouble.Store(t)
	return t
}

// newMachine returns a machine that is closed.
func (t *trouble) newMachine() *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   uint32(t.breaker.config.Probes), // #nosec G115 -- checked by New
		Timeout:       t.breaker.config.OpenTimeout,
		ReadyToTrip:   func(gobreaker.Counts) bool { return true }, // it hears of no other failure
		OnStateChange: t.changed,
		IsExcluded:    excluded,
	})
}

// excluded is asked about nothing but our own three values.
func excluded(err error) bool { return err == errNoResult } //nolint:errorlint // see above

func (t *trouble) phase() phase { return phase(t.current.Load()) }

// count notes a call that was bad while the circuit was closed.
func (t *trouble) count(bucket int, v Verdict, slow bool) {
	bad := &t.bad[bucket]
	if v != Failure {
		t.streak = 0
		increment(&bad.slowSuccesses)
		return
	}
	t.streak++
	increment(&bad.failures)
	if slow {
		increment(&bad.slowFailures)
	}
}

// say notes why the circuit is about to change, and for how long the answer
// with those fields wants to be left alone. Most failures change nothing, and
// nobody has to read theirs.
func (t *trouble) say(reason string, fields http.Header) {
	t.reason = reason
	t.asked, _ = header.RetryAfter(fields, time.Now)
}

// open opens the closed circuit.
func (t *trouble) open(reason string, fields http.Header) {
	t.say(reason, fields)
	t.machine = t.newMachine()
	if done, err := t.machine.Allow(); err == nil {
		done(errFailure)
	}
}

// changed is called by the machine, with its lock and ours held.
func (t *trouble) changed(_ string, from, to gobreaker.State) {
	now := t.breaker.now()
	switch to {
	case gobreaker.StateOpen:
		if from == gobreaker.StateHalfOpen {
			t.reopened++
		}
		// The machine has read the clock before, and lets a probe through when
		// its time is over, not when it is reached.
		t.openUntil = now + t.openFor() + 1
	case gobreaker.StateHalfOpen:
		t.reason = "time for a probe"
	case gobreaker.StateClosed:
		t.reason, t.machine = "the probes succeeded", nil
	}
	t.enter(states[to], false, now)
}

// enter begins a phase: with empty counts, and a word to the hook.
func (t *trouble) enter(to State, forced bool, now time.Duration) {
	p := t.phase()
	from := p.state()
	switch {
	case from == Closed && to != Closed:
		t.breaker.broken.Add(1)
	case from != Closed && to == Closed:
		t.breaker.broken.Add(-1)
	}
	if to == Closed {
		t.reopened = 0
	}
	t.streak, t.bad, t.circuit.good = 0, [windowBuckets]badBucket{}, [windowBuckets]uint32{}
	t.since = now
	t.current.Store(uint64(p.next(to, forced)))
	if t.breaker.config.Hooks.StateChange == nil {
		return
	}
	change := Change{Key: t.key.String(), From: from, To: to, Forced: forced, Reason: t.reason}
	if to == Open && !forced {
		change.Until = t.breaker.start.Add(t.openUntil)
	}
	t.queue(change)
}

// openFor is how long the circuit stays open this time: never less than the
// machine's own timeout, which is Config.OpenTimeout.
func (t *trouble) openFor() time.Duration {
	config := &t.breaker.config
	d := config.OpenTimeout
	for range t.reopened {
		if d > config.MaxOpenTimeout/2 {
			d = max(config.OpenTimeout, config.MaxOpenTimeout)
			break
		}
		d *= 2
	}
	d = max(d, min(t.asked, config.MaxRetryAfter))
	if config.Jitter > 0 {
		d += time.Duration(config.Jitter * rand.Float64() * float64(d)) // #nosec G404 -- jitter needs no secrecy
	}
	return d
}

// ready returns an OpenError if a call would be refused now.
func (t *trouble) ready() *OpenError {
	t.circuit.mu.Lock()
	defer t.circuit.mu.Unlock()
	return t.refusal()
}

// refusal is the error of a call that comes now, nil if it would be admitted.
// mu is held.
func (t *trouble) refusal() *OpenError {
	p := t.phase()
	refused := OpenError{Key: t.key.String(), State: p.state(), Forced: p.forced(), Since: t.breaker.start.Add(t.since)}
	switch p.state() {
	case Open:
		if p.forced() {
			return &refused
		}
		// The machine knows nothing of growth, jitter and Retry-After.
		if refused.wait = t.openUntil - t.breaker.now(); refused.wait > 0 {
			return &refused
		}
	case HalfOpen:
		n := t.machine.Counts()
		if int64(n.Requests)-int64(n.TotalExclusions) >= int64(t.breaker.config.Probes) {
			return &refused
		}
	}
	return nil
}

// admit lets a call through as a probe or refuses it. An open circuit whose
// time is over becomes half-open.
func (t *trouble) admit(o *outcome) *OpenError {
	t.circuit.mu.Lock()
	defer t.circuit.mu.Unlock()
	if refused := t.refusal(); refused != nil {
		return refused
	}
	if o.phase = t.phase(); o.phase.state() == Closed {
		return nil // since a moment ago
	}
	done, err := t.machine.Allow()
	if err != nil { // though its time has come and there is a place
		return &OpenError{Key: t.key.String(), State: t.phase().state(), Since: t.breaker.start.Add(t.since)}
	}
	o.phase = t.phase()
	o.lease(done)
	return nil
}
