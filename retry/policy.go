package retry

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// The defaults of [Config].
const (
	DefaultMaxAttempts   = 3
	DefaultMaxDelay      = 10 * time.Second
	DefaultMaxRetryAfter = 60 * time.Second
	DefaultMaxBuffer     = 64 << 10
)

// Config says what a [Policy] does. The zero value is a good policy for
// somebody else's API.
type Config struct {
	// MaxAttempts is how often one call is sent at most, the first time
	// included. 0 means [DefaultMaxAttempts], a negative value means once.
	MaxAttempts int

	// Backoff makes the schedule of one call. It is asked only after the first
	// attempt has failed, and its schedule is used by one goroutine. A delay of
	// backoff.Stop, or a nil schedule, ends the call.
	// nil means FullJitter(100*time.Millisecond, 10*time.Second).
	Backoff func() backoff.BackOff

	// MaxDelay clamps each delay that the schedule gives.
	// 0 means [DefaultMaxDelay].
	MaxDelay time.Duration

	// MaxRetryAfter is the longest wait that a server's Retry-After, or the
	// RetryAfter method of an error from below, is granted. An answer that asks
	// for more is returned as it is. 0 means [DefaultMaxRetryAfter]; a negative
	// value means that such wishes are ignored.
	MaxRetryAfter time.Duration

	// MaxBuffer is how many bytes are kept of the body of a request that has no
	// GetBody, so that it can be sent again. The body is kept while it streams.
	// A longer one makes the request not repeatable.
	// 0 means [DefaultMaxBuffer]; a negative value means that none are kept.
	MaxBuffer int64

	// BufferResponses, when positive, reads up to so many bytes of an answer
	// before it is returned, so that an answer that breaks off in the middle
	// is repeated like any other transport error. Longer answers, upgrades and
	// event streams pass unbuffered. 0 means off.
	BufferResponses int64

	// Check, when not nil, looks at each response that the status table calls
	// good: an error means that the call failed all the same, and says by its
	// Retryable and RetryAfter methods, if it has them, what to do about it.
	// An error without them is repeated like a 503. Check must leave the body
	// as it found it. The error is never returned: the response is.
	Check func(*http.Response) error

	// Hooks are told of decisions.
	Hooks Hooks
}

// Policy decides which calls are sent again, when and how often. It is
// immutable and safe for concurrent use, and one Policy can serve any number
// of clients.
type Policy struct {
	maxAttempts     int
	newSchedule     func() backoff.BackOff
	maxDelay        time.Duration
	maxRetryAfter   time.Duration
	maxBuffer       int64
	bufferResponses int64
	check           func(*http.Response) error
	hooks           Hooks
}

// New checks c and makes a Policy of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Policy, error) {
	var errs []error
	if c.MaxDelay < 0 {
		errs = append(errs, fmt.Errorf("retry: Config.MaxDelay is %v: must not be negative", c.MaxDelay))
	}
	if c.BufferResponses < 0 {
		errs = append(errs, fmt.Errorf("retry: Config.BufferResponses is %d: must not be negative", c.BufferResponses))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &Policy{
		maxAttempts:     c.MaxAttempts,
		newSchedule:     c.Backoff,
		maxDelay:        c.MaxDelay,
		maxRetryAfter:   c.MaxRetryAfter,
		maxBuffer:       max(0, c.MaxBuffer),
		bufferResponses: c.BufferResponses,
		check:           c.Check,
		hooks:           c.Hooks,
	}
	switch {
	case p.maxAttempts == 0:
		p.maxAttempts = DefaultMaxAttempts
	case p.maxAttempts < 0:
		p.maxAttempts = 1
	}
	if p.newSchedule == nil {
		p.newSchedule = FullJitter(defaultInitial, DefaultMaxDelay)
	}
	if p.maxDelay == 0 {
		p.maxDelay = DefaultMaxDelay
	}
	if p.maxRetryAfter == 0 {
		p.maxRetryAfter = DefaultMaxRetryAfter
	}
	if c.MaxBuffer == 0 {
		p.maxBuffer = DefaultMaxBuffer
	}
	return p, nil
}

// Wrap returns a RoundTripper that sends requests through next, again where the
// policy says so. A nil next means http.DefaultTransport.
//
// The RoundTripper keeps the contract of http.RoundTripper: it does not change
// the request, closes its body, and returns any answer with a nil error. When
// attempts run out the last answer comes back untouched; after a transport
// error the error is an [*Error].
func (p *Policy) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{policy: p, next: httpx.Base(next)}
}
