package fallback

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// DefaultMaxBuffer is the default of Config.MaxBuffer.
const DefaultMaxBuffer = 64 << 10

// Config says what a [Fallback] answers with, and to what. Answers must be set.
type Config struct {
	// Answers are asked in turn until one has an answer. There must be at least
	// one. New keeps a copy of the list.
	Answers []Answer

	// Check, when not nil, looks at each response that the status calls good:
	// an error makes it a failure all the same. nil from it leaves the decision
	// to the status: 500, 502, 503, 504 and 529 are failures. It is not asked
	// about a 4xx, which is never replaced. What another upstream answered has
	// to pass it too, see [To]. Check must leave the body as it found it, and
	// must be safe for concurrent use.
	Check func(*http.Response) error

	// MaxBuffer is how many bytes are kept of the body of a request that has no
	// GetBody, so that [To] can send it again. The body is kept while it
	// streams, and only if one of Answers is a To; that of a request which is
	// not idempotent is not kept. A longer body is not sent to another upstream.
	// 0 means [DefaultMaxBuffer]; a negative value means that none are kept.
	MaxBuffer int64

	// Hooks are told of failures and of what became of them.
	Hooks Hooks
}

// Fallback turns failures into degraded answers. It is safe for concurrent use.
type Fallback struct {
	check     func(*http.Response) error
	maxBuffer int64
	hooks     Hooks
	stations  []*station
	resends   bool // some answer sends the request again
	remembers bool // some answer is a good one of before
	watches   bool // and must know whether credentials are added below

	calls, failures, served atomic.Uint64
}

// station is an Answer in its place, and what became of the failures that
// came to it.
type station struct {
	Answer
	served, passed, failed atomic.Uint64
}

// New checks c and makes a Fallback of it. Its error joins one error for each
// value that is wrong, those that were given to the makers of Answers included.
func New(c Config) (*Fallback, error) {
	var errs []error
	if len(c.Answers) == 0 {
		errs = append(errs, errors.New("fallback: Config.Answers is empty: must have at least one Answer"))
	}
	f := &Fallback{check: c.Check, maxBuffer: max(0, c.MaxBuffer), hooks: c.Hooks}
	if c.MaxBuffer == 0 {
		f.maxBuffer = DefaultMaxBuffer
	}
	for i, a := range c.Answers {
		if err := a.validate(); err != nil {
			errs = append(errs, fmt.Errorf("fallback: Config.Answers[%d]: %w", i, err))
		}
		f.stations = append(f.stations, &station{Answer: a})
	}
	for _, s := range f.stations {
		switch source := s.source.(type) {
		case *upstream:
			f.resends = true
		case *memory:
			f.remembers = true
			f.watches = f.watches || source.config.Partition == nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// Wrap returns a RoundTripper that sends requests through next, and replaces
// what failed there by the first answer that there is. A nil next means
// http.DefaultTransport.
//
// The RoundTripper keeps the contract of http.RoundTripper. When there is no
// answer it returns what next returned, unread. Only where next has proved that
// nothing was sent, and a [To] has then sent a request that is not idempotent, it
// wraps the error in one whose method NotSent says false. When the request's
// context ends while an answer is looked for, the error is the context's cause.
// A call that succeeds costs no allocation of its own, unless [LastGood] copies
// the answer or a body without GetBody is kept for [To].
func (f *Fallback) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{fallback: f, next: httpx.Base(next)}
}

// Snapshot is what a [Fallback] has done since it was made.
type Snapshot struct {
	// Calls is the number of calls that came back from below.
	Calls uint64
	// Failures is how many of them had failed while the caller still waited.
	Failures uint64
	// Served is how many of those got a degraded answer. The others got what
	// had come from below.
	Served uint64
	// Answers has one entry for each of Config.Answers, in their order.
	Answers []AnswerSnapshot
}

// AnswerSnapshot is what one Answer has done in its [Fallback].
type AnswerSnapshot struct {
	// Name is that of the Answer.
	Name string
	// Served is how often it served.
	Served uint64
	// Passed is how often it was asked and had nothing to offer.
	Passed uint64
	// Failed is how often it was asked and did not succeed.
	Failed uint64
	// Memory is what a LastGood remembers; zero for any other Answer.
	Memory Memory
}

// Snapshot returns the counters. It takes the lock of each LastGood for a
// moment. The counters are read one after the other, so that their sums may be
// out by the calls that end meanwhile.
func (f *Fallback) Snapshot() Snapshot {
	all := Snapshot{Served: f.served.Load(), Failures: f.failures.Load(), Calls: f.calls.Load()}
	for _, s := range f.stations {
		one := AnswerSnapshot{Name: s.name, Served: s.served.Load(), Passed: s.passed.Load(), Failed: s.failed.Load()}
		if m, ok := s.source.(*memory); ok {
			one.Memory = m.snapshot()
		}
		all.Answers = append(all.Answers, one)
	}
	return all
}
