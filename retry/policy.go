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
	// included. Attempts that something below has refused, such as a limiter
	// or an open circuit, do not count, but there are no more of them than
	// this either. 0 means [DefaultMaxAttempts], a negative value means once.
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

	// ClampRetryAfter makes a wish beyond MaxRetryAfter one for MaxRetryAfter,
	// instead of ending the call.
	ClampRetryAfter bool

	// MaxElapsed bounds the time of the whole call, from its beginning: a wait
	// that would end later is not begun. An attempt that runs is not cut off;
	// a deadline of the context does that. 0 means that only the context
	// counts.
	MaxElapsed time.Duration

	// MinAttempt is the time that an attempt needs at least to make sense. A
	// wait is not begun unless so much is left after it. 0 means none.
	MinAttempt time.Duration

	// Budget, when not nil, bounds the repetitions of all calls together. It
	// can be shared.
	Budget *Budget

	// Classify, when not nil, is asked about every outcome first, and decides
	// unless it returns ByDefault. It must be safe for concurrent use.
	Classify func(Attempt) Verdict

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
	// as it found it. The response is returned and not the error, which only
	// shows in the history of an [*Error] when the context ends in a wait.
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
	clampRetryAfter bool
	maxElapsed      time.Duration
	minAttempt      time.Duration
	budget          *Budget
	classify        func(Attempt) Verdict
	maxBuffer       int64
	bufferResponses int64
	check           func(*http.Response) error
	hooks           Hooks
	simple          bool // the status alone tells whether an answer is good
	watchful        bool // each call is watched from its beginning
}

// New checks c and makes a Policy of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Policy, error) {
	var errs []error
	if c.MaxDelay < 0 {
		errs = append(errs, fmt.Errorf("retry: Config.MaxDelay is %v: must not be negative", c.MaxDelay))
	}
	if c.MaxElapsed < 0 {
		errs = append(errs, fmt.Errorf("retry: Config.MaxElapsed is %v: must not be negative", c.MaxElapsed))
	}
	if c.MinAttempt < 0 || c.MinAttempt > time.Hour {
		errs = append(errs, fmt.Errorf("retry: Config.MinAttempt is %v: must be between 0 and 1h", c.MinAttempt))
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
		clampRetryAfter: c.ClampRetryAfter,
		maxElapsed:      c.MaxElapsed,
		minAttempt:      c.MinAttempt,
		budget:          c.Budget,
		classify:        c.Classify,
		maxBuffer:       max(0, c.MaxBuffer),
		bufferResponses: c.BufferResponses,
		check:           c.Check,
		hooks:           c.Hooks,
		simple:          c.Classify == nil && c.Check == nil && c.BufferResponses == 0,
		watchful:        c.Budget != nil || c.MaxElapsed > 0,
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
// attempts run out the last answer comes back untouched; the error of a call
// that was, or could have been, repeated is an [*Error].
func (p *Policy) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{policy: p, next: httpx.Base(next)}
}

// String describes the policy in one line, for logs: what it bounds, and what of
// the rest is not as in the zero Config. The schedule and the hooks are not in
// it. A Policy that makes one attempt is "off".
func (p *Policy) String() string {
	if p.maxAttempts == 1 {
		return "retry: off"
	}
	s := fmt.Sprintf("retry: %d attempts, delays of at most %v", p.maxAttempts, p.maxDelay)
	switch {
	case p.maxRetryAfter < 0:
		s += ", Retry-After ignored"
	case p.clampRetryAfter:
		s += fmt.Sprintf(", Retry-After clamped to %v", p.maxRetryAfter)
	default:
		s += fmt.Sprintf(", Retry-After up to %v", p.maxRetryAfter)
	}
	if p.maxElapsed > 0 {
		s += fmt.Sprintf(", within %v", p.maxElapsed)
	}
	if p.minAttempt > 0 {
		s += fmt.Sprintf(", %v left for each attempt", p.minAttempt)
	}
	if p.budget != nil {
		c := p.budget.config
		s += fmt.Sprintf(", budget of %g per request and %g per second", c.Ratio, c.MinPerSecond)
	}
	switch p.maxBuffer {
	case DefaultMaxBuffer:
	case 0:
		s += ", request bodies not kept"
	default:
		s += fmt.Sprintf(", request bodies kept up to %d bytes", p.maxBuffer)
	}
	if p.bufferResponses > 0 {
		s += fmt.Sprintf(", answers buffered up to %d bytes", p.bufferResponses)
	}
	if p.classify != nil {
		s += ", with Classify"
	}
	if p.check != nil {
		s += ", with Check"
	}
	return s
}
