package breaker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// The defaults of [Config].
const (
	DefaultConsecutiveFailures = 10
	DefaultFailureRatio        = 0.5
	DefaultMinCalls            = 20
	DefaultWindow              = 30 * time.Second
	DefaultOpenTimeout         = 5 * time.Second
	DefaultMaxOpenTimeout      = 60 * time.Second
	DefaultJitter              = 0.2
	DefaultMaxRetryAfter       = 60 * time.Second
	DefaultProbes              = 1
	DefaultProbeLease          = 30 * time.Second
	DefaultMaxKeys             = 10_000
)

// windowBuckets is how many buckets make up the rolling window.
const windowBuckets = 10

// Config says when the circuits of a [Breaker] open and close. The zero value
// suits somebody else's API.
type Config struct {
	// ConsecutiveFailures in a row open a circuit, however few calls there
	// are. 0 means [DefaultConsecutiveFailures]; a negative value turns the
	// rule off.
	ConsecutiveFailures int

	// FailureRatio is the share of failures among the calls of the last Window
	// that opens a circuit once there were MinCalls of them, in (0, 1].
	// 0 means [DefaultFailureRatio]; a negative value turns the rule off.
	FailureRatio float64

	// MinCalls is how many calls the window must hold before the ratio means
	// anything. 0 means [DefaultMinCalls].
	MinCalls int

	// Window is the length of the rolling window. It moves in ten steps.
	// 0 means [DefaultWindow]; otherwise it is between 10 ms and a year.
	Window time.Duration

	// OpenTimeout is how long an open circuit refuses calls before it lets
	// probes through, at most a year. It doubles each time that the probes
	// fail, up to MaxOpenTimeout. 0 means [DefaultOpenTimeout].
	OpenTimeout time.Duration

	// MaxOpenTimeout bounds what OpenTimeout grows to, at most a year. 0 means
	// [DefaultMaxOpenTimeout]. If it is not longer than OpenTimeout there is no
	// growth.
	MaxOpenTimeout time.Duration

	// Jitter is the share of the open time that is added to it at most, drawn
	// anew for each opening, so that the replicas of a program do not probe in
	// step; at most 1. 0 means [DefaultJitter]; a negative value means none.
	Jitter float64

	// MaxRetryAfter is the longest that a Retry-After on the answer that opened
	// the circuit keeps it open; a longer wish is cut to it. At most a year. 0
	// means [DefaultMaxRetryAfter]; a negative value means that such wishes are
	// ignored.
	MaxRetryAfter time.Duration

	// Probes is how many calls a half-open circuit lets through. When so many
	// have succeeded it closes; the first failure opens it again.
	// 0 means [DefaultProbes].
	Probes int

	// ProbeLease is how long a probe may take before its place is free for
	// another: one that has no answer by then has failed, one whose body is
	// still being read, or that nobody closes, counts as neither. At most a
	// year; 0 means [DefaultProbeLease].
	ProbeLease time.Duration

	// Key names the circuit of a request. nil means one circuit per scheme,
	// host and port. It is called on every request and must be safe for
	// concurrent use.
	Key func(*http.Request) string

	// Check, when not nil, looks at each response: an error makes the call a
	// failure, whatever its status. Check must leave the body as it found it.
	// The error is not returned: the response is. nil from it leaves the
	// decision to the status.
	Check func(*http.Response) error

	// MaxKeys bounds the circuits that are remembered; the one that was not
	// used for longest goes first, open ones last.
	// 0 means [DefaultMaxKeys].
	MaxKeys int

	// Hooks are told of state changes and refusals.
	Hooks Hooks
}

// Breaker is a set of circuit breakers, one per key. It is safe for concurrent
// use.
type Breaker struct {
	config   Config // with defaults filled in
	start    time.Time
	broken   atomic.Int64 // how many circuits are not closed, those that were forgotten included
	circuits *keyed.Map[httpx.Key, circuit]
	last     atomic.Pointer[keyed.Entry[httpx.Key, circuit]]
}

// New checks c and makes a Breaker of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Breaker, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	setDefault(&c.ConsecutiveFailures, DefaultConsecutiveFailures)
	setDefault(&c.FailureRatio, DefaultFailureRatio)
	setDefault(&c.MinCalls, DefaultMinCalls)
	setDefault(&c.Window, DefaultWindow)
	setDefault(&c.OpenTimeout, DefaultOpenTimeout)
	setDefault(&c.MaxOpenTimeout, DefaultMaxOpenTimeout)
	setDefault(&c.Jitter, DefaultJitter)
	setDefault(&c.MaxRetryAfter, DefaultMaxRetryAfter)
	setDefault(&c.Probes, DefaultProbes)
	setDefault(&c.ProbeLease, DefaultProbeLease)
	setDefault(&c.MaxKeys, DefaultMaxKeys)
	b := &Breaker{config: c, start: time.Now()}
	b.circuits = keyed.New(keyed.Config[httpx.Key, circuit]{
		Max:  c.MaxKeys,
		Hash: httpx.Key.Hash,
		New:  b.newCircuit,
		Keep: (*circuit).worthKeeping,
	})
	return b, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check returns one error for each field that is out of range.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("breaker: Config.%s is %v: %s", field, value, reason))
		}
	}
	const negative = "must not be negative"
	wrong(!(c.FailureRatio <= 1), "FailureRatio", c.FailureRatio, "must be at most 1")
	wrong(c.ConsecutiveFailures < 0 && c.FailureRatio < 0, "FailureRatio", c.FailureRatio,
		"must not be off when ConsecutiveFailures is off too")
	wrong(c.MinCalls < 0, "MinCalls", c.MinCalls, negative)
	wrong(c.Window != 0 && (c.Window < minWindow || c.Window > longest),
		"Window", c.Window, "must be between 10ms and a year")
	wrong(c.OpenTimeout < 0 || c.OpenTimeout > longest, "OpenTimeout", c.OpenTimeout, "must be between 0 and a year")
	wrong(c.MaxOpenTimeout < 0 || c.MaxOpenTimeout > longest, "MaxOpenTimeout", c.MaxOpenTimeout, "must be between 0 and a year")
	wrong(!(c.Jitter <= 1), "Jitter", c.Jitter, "must be at most 1")
	wrong(c.MaxRetryAfter > longest, "MaxRetryAfter", c.MaxRetryAfter, "must be at most a year")
	wrong(c.Probes < 0 || c.Probes > maxProbes, "Probes", c.Probes, "must be between 0 and 1000000")
	wrong(c.ProbeLease < 0 || c.ProbeLease > longest, "ProbeLease", c.ProbeLease, "must be between 0 and a year")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, negative)
	return errors.Join(errs...)
}

// noTime is what circuits are looked up with: they are forgotten when there are
// too many of them and never for being idle, so nobody has to read a clock.
const noTime = 0

const (
	maxProbes = 1_000_000
	minWindow = windowBuckets * time.Millisecond
	longest   = 365 * 24 * time.Hour
)

// Wrap returns a RoundTripper that sends requests through next while the
// circuit of their key lets them. A nil next means http.DefaultTransport.
//
// A refused call returns an [*OpenError] at once, its body closed and nothing
// sent. A call that was sent returns what next returned, and counts when its
// body has been read or closed.
func (b *Breaker) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{breaker: b, next: httpx.Base(next)}
}

// acquire returns the entry of req. Most programs call one host again and
// again, so the circuit found last is tried before it is searched for.
func (b *Breaker) acquire(req *http.Request) *keyed.Entry[httpx.Key, circuit] {
	if e := b.last.Load(); e != nil && e.Key().Names(req) && b.circuits.Again(e, noTime) {
		return e
	}
	e := b.circuits.Acquire(httpx.KeyOf(req, b.config.Key), noTime)
	// Not each time: with many hosts, all goroutines would write to one place.
	if b.config.Key == nil && rand.Uint32()%16 == 0 { // #nosec G404 -- needs no secrecy
		b.last.Store(e)
	}
	return e
}

// Ready reports whether the circuit of req would let a call through now, and
// returns an [*OpenError] if not. It takes no probe, changes no state and makes
// no circuit: a layer above can ask before it queues. It does not read the body.
func (b *Breaker) Ready(req *http.Request) error {
	if b.broken.Load() == 0 {
		return nil // as nearly always
	}
	entry, ok := b.circuits.Peek(httpx.KeyOf(req, b.config.Key), noTime)
	if !ok {
		return nil
	}
	defer entry.Release()
	if err := entry.Value().ready(); err != nil {
		return err
	}
	return nil
}
