package breaker

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The defaults of [Config].
const (
	DefaultConsecutiveFailures = 10
	DefaultFailureRatio        = 0.5
	DefaultSlowRatio           = 0.8
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

	// SlowCall is how long a call takes at least to count as slow, from the
	// time that it is sent until its body has been read or closed, or until it
	// has failed, at most a year. 0 means that no call is slow: only its user
	// knows what is slow for an API, and how long the bodies are that it streams.
	SlowCall time.Duration

	// SlowRatio is the share of slow calls, failed or not, among the calls of
	// the last Window that opens a circuit once there were MinCalls of them,
	// in (0, 1]. A probe that is slow has failed. 0 means [DefaultSlowRatio];
	// with a negative value slow calls are only counted, for Trip and Snapshot.
	SlowRatio float64

	// MinCalls is how many calls the window must hold before a ratio means
	// anything. 0 means [DefaultMinCalls].
	MinCalls int

	// Window is the length of the rolling window. It moves in ten steps.
	// 0 means [DefaultWindow]; otherwise it is between 10 ms and a year.
	Window time.Duration

	// Trip, when not nil, opens a circuit for reasons of its own, beside those
	// of the rules above that are not off. It is asked after each call that
	// failed or was slow while the circuit was closed, unless a rule has opened
	// it. It runs on the goroutine of that call with no lock held, must be safe
	// for concurrent use, and may ask the Breaker.
	Trip func(Counts) bool

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

	// ProbeLease is how long a probe keeps its place. After that, one with a good
	// answer whose body is still being read, or that nobody closes, has succeeded
	// unless it is slow. One without an answer leaves its place to another, and
	// counts when its answer comes. At most a year; 0 means [DefaultProbeLease].
	ProbeLease time.Duration

	// Key names the circuit of a request. nil means one circuit per scheme,
	// host and port. It is called on every request and must be safe for
	// concurrent use. Its result is kept, and appears in errors and logs: it
	// should be short, no part of a longer string (see [strings.Clone]), and
	// must not be a secret.
	Key func(*http.Request) string

	// Check, when not nil, looks at each response: an error makes the call a
	// failure, whatever its status, unless Classify says otherwise of it. Check
	// must leave the body as it found it. The error is not returned: the
	// response is. nil from it leaves the decision to the status.
	Check func(*http.Response) error

	// Classify, when not nil, is asked about each error of a transport, of
	// reading a body, or of the func of [Breaker.Do], but not about those that
	// never count: when the context of the call is over, or something below has
	// refused it. It is asked about each error of Check too; there an answer has
	// come, which counts whoever still waits for it. It must be safe for
	// concurrent use.
	Classify func(error) Verdict

	// MaxKeys bounds the circuits that are remembered; the one that was not
	// used for longest goes first, open ones last. When there is nothing but
	// open ones, one of them has to go, whichever: its key begins anew with a
	// closed circuit. 0 means [DefaultMaxKeys].
	MaxKeys int

	// Hooks are told of state changes and refusals.
	Hooks Hooks
}

// Verdict is what a call says about its upstream.
type Verdict int

// The verdicts of Config.Classify.
const (
	// ByDefault leaves the decision to the Breaker: an error is a failure.
	ByDefault Verdict = iota
	// Success counts in favour of the upstream.
	Success
	// Failure counts against it.
	Failure
	// Neither does not count.
	Neither
)

// windowBuckets is how many buckets make up the rolling window.
const windowBuckets = 10

const (
	maxProbes = 1_000_000
	minWindow = windowBuckets * time.Millisecond
	longest   = 365 * 24 * time.Hour
)

func (c *Config) setDefaults() {
	c.ConsecutiveFailures = cmp.Or(c.ConsecutiveFailures, DefaultConsecutiveFailures)
	c.FailureRatio = cmp.Or(c.FailureRatio, DefaultFailureRatio)
	c.SlowRatio = cmp.Or(c.SlowRatio, DefaultSlowRatio)
	c.MinCalls = cmp.Or(c.MinCalls, DefaultMinCalls)
	c.Window = cmp.Or(c.Window, DefaultWindow)
	c.OpenTimeout = cmp.Or(c.OpenTimeout, DefaultOpenTimeout)
	c.MaxOpenTimeout = cmp.Or(c.MaxOpenTimeout, DefaultMaxOpenTimeout)
	c.Jitter = cmp.Or(c.Jitter, DefaultJitter)
	c.MaxRetryAfter = cmp.Or(c.MaxRetryAfter, DefaultMaxRetryAfter)
	c.Probes = cmp.Or(c.Probes, DefaultProbes)
	c.ProbeLease = cmp.Or(c.ProbeLease, DefaultProbeLease)
	c.MaxKeys = cmp.Or(c.MaxKeys, DefaultMaxKeys)
}

// check returns one error for each field that is out of range.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("breaker: Config.%s is %v: %s", field, value, reason))
		}
	}
	const (
		negative = "must not be negative"
		atMost1  = "must be at most 1"
		aYear    = "must be between 0 and a year"
	)
	neverOpens := c.ConsecutiveFailures < 0 && c.FailureRatio < 0 && c.Trip == nil && (c.SlowCall == 0 || c.SlowRatio < 0)
	wrong(!(c.FailureRatio <= 1), "FailureRatio", c.FailureRatio, atMost1)
	wrong(neverOpens, "FailureRatio", c.FailureRatio, "must not be off when all other rules are off too")
	wrong(c.SlowCall < 0 || c.SlowCall > longest, "SlowCall", c.SlowCall, aYear)
	wrong(!(c.SlowRatio <= 1), "SlowRatio", c.SlowRatio, atMost1)
	wrong(c.MinCalls < 0, "MinCalls", c.MinCalls, negative)
	wrong(c.Window != 0 && (c.Window < minWindow || c.Window > longest),
		"Window", c.Window, "must be between 10ms and a year")
	wrong(c.OpenTimeout < 0 || c.OpenTimeout > longest, "OpenTimeout", c.OpenTimeout, aYear)
	wrong(c.MaxOpenTimeout < 0 || c.MaxOpenTimeout > longest, "MaxOpenTimeout", c.MaxOpenTimeout, aYear)
	wrong(!(c.Jitter <= 1), "Jitter", c.Jitter, atMost1)
	wrong(c.MaxRetryAfter > longest, "MaxRetryAfter", c.MaxRetryAfter, "must be at most a year")
	wrong(c.Probes < 0 || c.Probes > maxProbes, "Probes", c.Probes, "must be between 0 and 1000000")
	wrong(c.ProbeLease < 0 || c.ProbeLease > longest, "ProbeLease", c.ProbeLease, aYear)
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, negative)
	return errors.Join(errs...)
}
