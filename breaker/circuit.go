package breaker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// State is that of a circuit.
type State int32

// The states of a circuit.
const (
	// Closed means: calls go through and are counted.
	Closed State = iota
	// HalfOpen means: a few probes go through to see whether the upstream is back.
	HalfOpen
	// Open means: calls are refused.
	Open
)

// String returns "closed", "half-open" or "open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

var states = [...]State{
	gobreaker.StateClosed:   Closed,
	gobreaker.StateHalfOpen: HalfOpen,
	gobreaker.StateOpen:     Open,
}

// What is reported to gobreaker about a call, nil being success.
var (
	errFailure  = errors.New("failure")
	errNoResult = errors.New("neither success nor failure")
)

// circuit is the state of one key: gobreaker's state machine, and beside it
// what callers need to know without taking gobreaker's lock.
type circuit struct {
	breaker *Breaker
	key     httpx.Key
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]

	state     atomic.Int32 // a State
	since     atomic.Int64 // of the last change, in nanoseconds since breaker.start
	openUntil atomic.Int64 // of the last opening, likewise
	changing  atomic.Int64 // counts the changes
	streak    atomic.Int64 // failures in a row while closed
	reopened  atomic.Int32 // how often probes have failed since it was closed
	asked     atomic.Int64 // the wait that the answer being reported wants

	// Changes wait here until gobreaker's lock is free, in their order. One
	// goroutine at a time takes them to the hook.
	waiting  atomic.Int32
	mu       sync.Mutex
	changes  []Change
	draining bool
}

func (b *Breaker) newCircuit(key httpx.Key) *circuit {
	c := &circuit{breaker: b, key: key}
	c.machine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   uint32(b.config.Probes), // #nosec G115 -- checked by New
		Interval:      b.config.Window,
		BucketPeriod:  b.config.Window / windowBuckets,
		Timeout:       b.config.OpenTimeout,
		ReadyToTrip:   c.tripped,
		OnStateChange: c.changed,
		IsExcluded:    excluded,
	})
	return c
}

// excluded is asked about nothing but our own three values.
func excluded(err error) bool { return err == errNoResult } //nolint:errorlint // see above

// tripped applies the two rules. gobreaker asks after each failure. Its own
// count of failures in a row forgets those that have left the window, and with
// them the API that is called now and then.
func (c *circuit) tripped(n gobreaker.Counts) bool {
	config := &c.breaker.config
	if limit := config.ConsecutiveFailures; limit > 0 && c.streak.Load() >= int64(limit) {
		return true
	}
	calls := n.TotalSuccesses + n.TotalFailures
	return config.FailureRatio > 0 && int64(calls) >= int64(config.MinCalls) &&
		float64(n.TotalFailures) >= config.FailureRatio*float64(calls)
}

// changed runs under gobreaker's lock: it notes the change and calls nobody.
func (c *circuit) changed(_ string, from, to gobreaker.State) {
	change := Change{Key: c.key.String(), From: states[from], To: states[to]}
	now := time.Since(c.breaker.start)
	switch change.To {
	case Open:
		if change.From == HalfOpen {
			c.reopened.Add(1)
		}
		// gobreaker has read the clock before, and lets a probe through when
		// its time is over, not when it is reached.
		until := now + c.openFor() + 1
		c.openUntil.Store(int64(until))
		change.Until = c.breaker.start.Add(until)
		if change.From == Closed {
			c.breaker.broken.Add(1)
		}
	case Closed:
		c.reopened.Store(0)
		c.breaker.broken.Add(-1)
	}
	c.streak.Store(0)
	c.changing.Add(1)
	c.since.Store(int64(now))
	c.state.Store(int32(change.To))
	if c.breaker.config.Hooks.StateChange == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, change)
	c.waiting.Add(1)
}

// openFor is how long the circuit stays open this time: never less than
// gobreaker's own timeout, which is Config.OpenTimeout.
func (c *circuit) openFor() time.Duration {
	config := &c.breaker.config
	d := config.OpenTimeout
	for range c.reopened.Load() {
		if d > config.MaxOpenTimeout/2 {
			d = max(config.OpenTimeout, config.MaxOpenTimeout)
			break
		}
		d *= 2
	}
	d = max(d, min(time.Duration(c.asked.Load()), config.MaxRetryAfter))
	if config.Jitter > 0 {
		d += time.Duration(config.Jitter * rand.Float64() * float64(d)) // #nosec G404 -- jitter needs no secrecy
	}
	return d
}

// tell takes waiting changes to the hook, with no lock held. When another
// goroutine is at it already, or a hook itself came here, that one goes on.
func (c *circuit) tell() {
	for c.waiting.Load() > 0 {
		change, ok := c.nextChange()
		if !ok {
			return
		}
		c.deliver(change)
	}
}

func (c *circuit) nextChange() (Change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining || len(c.changes) == 0 {
		return Change{}, false
	}
	c.draining = true
	change := c.changes[0]
	c.changes = c.changes[1:]
	c.waiting.Add(-1)
	return change, true
}

// deliver calls the hook, which may panic, read the state, or send requests.
func (c *circuit) deliver(change Change) {
	defer func() {
		c.mu.Lock()
		c.draining = false
		c.mu.Unlock()
	}()
	c.breaker.config.Hooks.StateChange(change)
}

// worthKeeping keeps an open circuit from being forgotten, unless nobody has
// come for a probe in a long time.
func (c *circuit) worthKeeping() bool {
	switch State(c.state.Load()) {
	case Open:
		return c.untilProbe() > -c.breaker.config.Window
	case HalfOpen:
		since := time.Since(c.breaker.start) - time.Duration(c.since.Load())
		return since < c.breaker.config.ProbeLease
	}
	return false
}

// ready returns an OpenError if a call would be refused now.
func (c *circuit) ready() *OpenError {
	if refused := c.early(); refused != nil {
		return refused
	}
	if State(c.state.Load()) == HalfOpen {
		n := c.machine.Counts()
		if int64(n.Requests)-int64(n.TotalExclusions) >= int64(c.breaker.config.Probes) {
			return &OpenError{Key: c.key.String(), State: HalfOpen}
		}
	}
	return nil
}

// early returns an OpenError if the time for probes has not come. gobreaker
// knows nothing of growth, jitter and Retry-After: it may be half-open already,
// because somebody asked.
func (c *circuit) early() *OpenError {
	if State(c.state.Load()) != Closed {
		if wait := c.untilProbe(); wait > 0 {
			return &OpenError{Key: c.key.String(), State: Open, wait: wait}
		}
	}
	return nil
}

// untilProbe is how long an open circuit still refuses everything.
func (c *circuit) untilProbe() time.Duration {
	return time.Duration(c.openUntil.Load()) - time.Since(c.breaker.start)
}

// allow admits a call or refuses it.
func (c *circuit) allow(ctx context.Context) (outcome, *OpenError) {
	if refused := c.early(); refused != nil {
		return outcome{}, refused
	}
	done, err := c.machine.Allow()
	if err == nil {
		o := outcome{circuit: c, ctx: ctx, done: done, change: c.changing.Load()}
		if State(c.state.Load()) == HalfOpen {
			o.lease()
		}
		return o, nil
	}
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		return outcome{}, &OpenError{Key: c.key.String(), State: HalfOpen}
	}
	return outcome{}, &OpenError{Key: c.key.String(), State: Open, wait: max(0, c.untilProbe())}
}
