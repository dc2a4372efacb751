package retry

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// The defaults of [HedgeConfig].
const (
	DefaultHedgePercentile = 0.95
	DefaultHedgeMaxExtra   = 1
	DefaultHedgeMaxKeys    = 10_000
)

const (
	// maxHedgeExtra bounds HedgeConfig.MaxExtra.
	maxHedgeExtra = 10

	// hedgeIdle is how long the times of a key are kept without a call.
	hedgeIdle = 10 * time.Minute
)

// HedgeConfig says when a [Hedge] sends a request again. The zero value sends
// one more copy of each request that takes longer than 95 % of the recent ones.
type HedgeConfig struct {
	// Delay is the wait for an answer before the second copy is sent, and then
	// before each further one. With a Percentile it holds until there are
	// enough samples; 0 means that no copy is sent until then.
	Delay time.Duration

	// Percentile, in (0, 1), makes the delay follow the upstream: it is this
	// percentile of the times from the beginning of a call to an acceptable
	// answer, over the last 256 to 512 calls with the same Key. It is used once
	// there are 20, is at most an eighth too long, and never above 134 s.
	// 0 means that Delay is fixed or, with a Delay of 0,
	// [DefaultHedgePercentile].
	Percentile float64

	// MaxExtra is how many copies there are at most beside the first, no more
	// than 10. 0 means [DefaultHedgeMaxExtra]; a negative value means none.
	MaxExtra int

	// Budget, when not nil, pays for the extra copies. Each request that may be
	// hedged pays into it, unless it is the repetition of a Policy above. A copy
	// takes one token, and gives it back only if it was never sent: a copy that
	// wins is extra load all the same. A request that passes through a Policy
	// and a Hedge with one Budget pays twice.
	Budget *Budget

	// Check, when not nil, looks at each answer whose status is acceptable: an
	// error makes it one that is not, and nothing else. Check must leave the
	// body as it found it. It is called on the goroutine of the call and must
	// be safe for concurrent use.
	Check func(*http.Response) error

	// Key names the times that a request belongs to, for Percentile. nil means
	// one key per scheme, host and port. It is called on every request that may
	// be hedged and must be safe for concurrent use.
	Key func(*http.Request) string

	// MaxKeys bounds the keys whose times are remembered. Each takes about one
	// kilobyte, and may be forgotten after ten minutes without a call.
	// 0 means [DefaultHedgeMaxKeys].
	MaxKeys int

	// Hooks are told of extra copies.
	Hooks HedgeHooks
}

// HedgeHooks are told what a [Hedge] does. A nil func is not called. They run
// on the goroutine of the call, with no lock held, and must not touch the
// request's body.
type HedgeHooks struct {
	// Hedge is called when an extra copy has been sent.
	Hedge func(HedgeEvent)
	// Won is called when the answer of an extra copy is acceptable and the
	// first to be so.
	Won func(HedgeEvent)
}

// HedgeEvent is about one extra copy of a request.
type HedgeEvent struct {
	// Request is the caller's. Read it only.
	Request *http.Request
	// Copy is the number of the copy, from 2: the first is the request itself.
	Copy int
	// After is the time since the beginning of the call.
	After time.Duration
	// Status is that of the answer (Won); 0 if there is none yet.
	Status int
}

// Hedge sends a second copy of a request whose answer is slow to come, and
// takes the answer that is there first. It cuts off the slowest few of the
// answers for a few more requests, where the slowness is a matter of chance: a
// lost packet, a busy replica. It makes an upstream that is slow for all even
// slower, so give it a [Budget].
//
// Only requests that may be sent twice are hedged: idempotent ones, as listed
// in the package's documentation, without a body or with GetBody, and without
// trailers. Any other passes through at no cost.
//
// The first acceptable answer wins: no transport error, no status that a Policy
// repeats, nothing that HedgeConfig.Check rejects. A failed copy waits for the
// others, but a hedge is not a retry: when all the copies sent so far have
// failed, the call ends with the earliest response or, failing that, the
// earliest error. To a request whose method is not safe, once it has been sent
// twice, a status of 4xx is not acceptable while another copy is under way: it
// may be the echo of that copy, such as 404 for what it has just deleted, or
// 409 for an idempotency key in use.
//
// No copy is sent after an answer of 429 or 529, one with a Retry-After, one
// with X-Should-Retry: false, a refusal from below such as that of an open
// circuit, or an error that would only happen again.
//
// Copies that have lost are cancelled, and nobody waits for them: each ends on
// its own as soon as its transport heeds its context, and its answer is drained
// and closed. A panic of the transport goes to the caller, but that of a copy
// which has lost already is dropped with it. The context of the winner ends
// with its body.
//
// A Hedge belongs below [Policy.Wrap], so that it has one attempt to deal with,
// and above a limiter and a breaker, so that each copy asks them. It is safe
// for concurrent use.
//
// Each copy has a goroutine of its own, the first one too, and a clone of the
// request, because it may outlive the call. A call that is answered before the
// delay pays about 3 µs and 15 allocations for that.
type Hedge struct {
	delay      time.Duration
	percentile float64 // 0 if the delay is fixed
	maxExtra   int
	budget     *Budget
	check      func(*http.Response) error
	key        func(*http.Request) string
	hooks      HedgeHooks

	start time.Time
	times *keyed.Map[httpx.Key, times] // nil if the delay is fixed
}

// NewHedge checks c and makes a Hedge of it. Its error joins one error for each
// field that is wrong.
func NewHedge(c HedgeConfig) (*Hedge, error) {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("retry: HedgeConfig.%s is %v: %s", field, value, reason))
		}
	}
	wrong(c.Delay < 0, "Delay", c.Delay, "must not be negative")
	wrong(!(c.Percentile >= 0 && c.Percentile < 1), "Percentile", c.Percentile, "must be between 0 and 1")
	wrong(c.MaxExtra > maxHedgeExtra, "MaxExtra", c.MaxExtra, "must be at most 10")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, "must not be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h := &Hedge{
		delay:      c.Delay,
		percentile: c.Percentile,
		maxExtra:   max(0, c.MaxExtra),
		budget:     c.Budget,
		check:      c.Check,
		key:        c.Key,
		hooks:      c.Hooks,
		start:      time.Now(),
	}
	if c.MaxExtra == 0 {
		h.maxExtra = DefaultHedgeMaxExtra
	}
	if c.Delay == 0 && c.Percentile == 0 {
		h.percentile = DefaultHedgePercentile
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = DefaultHedgeMaxKeys
	}
	if h.percentile > 0 {
		h.times = keyed.New(keyed.Config[httpx.Key, times]{
			Max:  c.MaxKeys,
			Idle: hedgeIdle,
			Init: func(key *httpx.Key, _ *times) { key.Own() },
		})
	}
	return h, nil
}

// Wrap returns a RoundTripper that sends requests through next, twice where
// that may help. A nil next means http.DefaultTransport. A Hedge without extra
// copies costs nothing: Wrap returns next itself.
func (h *Hedge) Wrap(next http.RoundTripper) http.RoundTripper {
	next = httpx.Base(next)
	if h.maxExtra == 0 {
		return next
	}
	return &hedged{hedge: h, next: next}
}

type hedged struct {
	hedge *Hedge
	next  http.RoundTripper
}

// RoundTrip sends req, and again if its answer is slow to come.
func (t *hedged) RoundTrip(req *http.Request) (*http.Response, error) {
	if !hedgeable(req) {
		return t.next.RoundTrip(req)
	}
	r := &race{hedge: t.hedge, next: t.next, req: req, ctx: req.Context(), arrivals: make(chan *runner)}
	defer r.release()
	r.start()
	return r.run()
}

// CloseIdleConnections forwards to the transport below.
func (t *hedged) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *hedged) Unwrap() http.RoundTripper { return t.next }

// hedgeable reports whether req can be sent twice at once. Trailers can't: the
// caller fills them in, in the one request, as its one body ends.
func hedgeable(req *http.Request) bool {
	return idempotent(req) && len(req.Trailer) == 0 &&
		(req.Body == nil || req.Body == http.NoBody || req.GetBody != nil)
}
