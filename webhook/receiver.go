package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The defaults of [ReceiverConfig].
const (
	DefaultReadTimeout = 10 * time.Second
	DefaultTimeout     = 10 * time.Second
	DefaultMaxInFlight = 256
	DefaultMaxKeys     = 10_000
)

// ReceiverConfig says how requests are taken in.
type ReceiverConfig struct {
	// Verifier checks the signatures. It must be set.
	Verifier *Verifier

	// Name is the Source of the events. Empty means the name of the scheme.
	Name string

	// VerifyToken is the token of Meta's handshake, which we choose.
	VerifyToken Secret

	// Methods are the methods that events come with. nil means POST.
	Methods []string

	// MaxBody is the longest body that is read, in bytes; a longer one is
	// answered with 413. 0 means what the Scheme says.
	MaxBody int64

	// ReadTimeout is how long the body may take to come, after which the answer
	// is 408. It works by http.ResponseController: behind a ResponseWriter that
	// has neither a read deadline nor an Unwrap method only the time limits of
	// the server hold. 0 means [DefaultReadTimeout]; a negative value means none.
	ReadTimeout time.Duration

	// Timeout is the time limit of the context that the receiving func gets.
	// Providers hang up after 3 to 30 seconds. 0 means [DefaultTimeout]; a
	// negative value means none.
	Timeout time.Duration

	// MaxInFlight is how many requests are read, verified and handled at a time.
	// Others are answered with 503 and Retry-After, so that at most MaxInFlight
	// bodies of MaxBody bytes are in memory. 0 means [DefaultMaxInFlight].
	MaxInFlight int

	// Rate is how many requests per second each key may send in the long run,
	// and Burst how many at once; others are answered with 429 and Retry-After
	// before anything of them is read. A Rate of 0 means no limit; a Burst of 0
	// means one second's worth, at least 1.
	Rate  float64
	Burst int

	// Key names the bucket of a request. nil means the address of the peer, of an
	// IPv6 address the first 64 bits. It must be safe for concurrent use. The
	// request is not verified yet.
	Key func(*http.Request) string

	// MaxKeys bounds the buckets that are remembered. 0 means [DefaultMaxKeys].
	MaxKeys int

	// Proxies are our own proxies, which end TLS in front of us. A request that
	// came neither by TLS nor through one of them, by TLS, is answered with 403.
	Proxies Proxies

	// DangerouslyAllowHTTP takes requests that did not come by TLS. Whoever
	// listens can read the events and, if the scheme is a [Token], forge them.
	DangerouslyAllowHTTP bool

	// Hooks are told of each answer.
	Hooks Hooks
}

// Receiver takes requests in: it insists on TLS, limits their number, size and
// time, verifies them, answers the handshakes of the provider, and divides
// batches. It is safe for concurrent use.
//
//	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})
//	…
//	mux.Handle("POST /hooks/stripe", receiver.Handler(func(ctx context.Context, events []webhook.Event) error {
//		return store(ctx, events) // and work on them later
//	}))
//
// The answers:
//
//	2xx  the receiving func returned nil: Scheme.Ack
//	400  the body was cut off or, behind a good signature, cannot be divided
//	401  not verified, for whatever reason
//	403  not by TLS
//	405  another method, with Allow
//	408  the body took too long
//	413  the body is too long
//	415  the body is compressed: what was signed cannot be known
//	429  too many requests of this key, with Retry-After
//	500  the receiving func returned an error, or something had read the body before
//	503  too many requests at once, no keys to be had, or an error with a method
//	     RetryAfter() time.Duration: with Retry-After
//
// All refusals have the same body. The reason is for Hooks only.
//
// The time that the header takes is limited by http.Server.ReadHeaderTimeout
// alone.
type Receiver struct {
	config ReceiverConfig // with defaults filled in
	engine *engine
	slots  chan struct{}
	rates  *rates // nil if there is no limit
	keys   keyUses
}

// NewReceiver checks c and makes a Receiver of it. Its error joins one error for
// each field that is wrong.
func NewReceiver(c ReceiverConfig) (*Receiver, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	e := c.Verifier.engine
	c.Name = orDefault(c.Name, e.scheme.Name)
	c.MaxBody = orDefault(c.MaxBody, orDefault(e.scheme.MaxBody, DefaultMaxBody))
	c.ReadTimeout = orDefault(c.ReadTimeout, DefaultReadTimeout)
	c.Timeout = orDefault(c.Timeout, DefaultTimeout)
	c.MaxInFlight = orDefault(c.MaxInFlight, DefaultMaxInFlight)
	if c.Methods == nil {
		c.Methods = []string{http.MethodPost}
	}
	c.Methods = slices.Clone(c.Methods)
	c.Proxies.Peers = slices.Clone(c.Proxies.Peers)
	r := &Receiver{config: c, engine: e, slots: make(chan struct{}, c.MaxInFlight)}
	if c.Rate > 0 {
		r.rates = newRates(c)
	}
	return r, nil
}

const (
	maxBodyLimit = 1 << 30
	maxInFlight  = 1 << 20
	maxRate      = 1e9
)

func (c *ReceiverConfig) check() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("webhook: ReceiverConfig."+format, args...))
		}
	}
	wrong(c.Verifier == nil, "Verifier is nil")
	wrong(c.MaxBody < 0 || c.MaxBody > maxBodyLimit, "MaxBody is %d: must be between 0 and 2^30", c.MaxBody)
	wrong(c.MaxInFlight < 0 || c.MaxInFlight > maxInFlight, "MaxInFlight is %d: must be between 0 and 2^20", c.MaxInFlight)
	wrong(!(c.Rate >= 0 && c.Rate <= maxRate), "Rate is %v: must be between 0 and 1e9", c.Rate)
	wrong(c.Burst < 0 || c.Burst > maxRate, "Burst is %d: must be between 0 and 1e9", c.Burst)
	wrong(c.MaxKeys < 0, "MaxKeys is %d: must not be negative", c.MaxKeys)
	for _, m := range c.Methods {
		wrong(!upper(m), "Methods has %q, which is no method", m)
	}
	wrong(c.Methods != nil && len(c.Methods) == 0, "Methods is empty: nothing could be received")
	wrong(len(c.Proxies.Peers) == 0 && (c.Proxies.Header != "" || c.Proxies.Value != ""),
		"Proxies.Peers is empty: anybody could send the header")
	return errors.Join(errs...)
}

// Handler returns a handler that gives the events of each request to receive,
// all together, so that they can be stored in one transaction, and answers when
// it returns. A nil error means that the events are safe: the provider will not
// send them again. What takes long should be done later.
func (r *Receiver) Handler(receive func(ctx context.Context, events []Event) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.serve(w, req, func(events []Event, a *answer) {
			ctx := req.Context()
			if r.config.Timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, r.config.Timeout)
				defer cancel()
			}
			if err := receive(ctx, events); err != nil {
				a.fail(err)
				return
			}
			a.reply(&r.engine.scheme.Ack)
		})
	})
}

// Verify returns a handler that calls next for requests that were verified,
// with their events in the context, see [EventsFrom], and the body to be read
// once more. What next answers goes to the provider. It is middleware for any
// router, and must stand in front of whatever reads the body.
func (r *Receiver) Verify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.serve(w, req, func(events []Event, a *answer) {
			verified := req.WithContext(context.WithValue(req.Context(), eventsKey{}, events))
			verified.Body, verified.ContentLength = newBody(a.body), int64(len(a.body))
			verified.TransferEncoding = nil
			a.handOver()
			next.ServeHTTP(w, verified)
		})
	})
}

// serve does all that comes before the events, and answers if that fails.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request, deliver func([]Event, *answer)) {
	a := &answer{w: w, req: req, receiver: r, start: time.Now()}
	defer a.done()
	r.limitReading(w, a.start)
	if !r.config.DangerouslyAllowHTTP && !r.config.Proxies.secure(req) {
		a.refuse(http.StatusForbidden, errNotTLS)
		return
	}
	if r.rates != nil {
		if wait := r.rates.take(req, a.start); wait > 0 {
			a.busy(http.StatusTooManyRequests, wait, errTooMany)
			return
		}
	}
	if !slices.Contains(r.config.Methods, req.Method) {
		r.serveOther(a)
		return
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		a.busy(http.StatusServiceUnavailable, time.Second, errFull)
		return
	}
	for _, encoding := range req.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			a.refuse(http.StatusUnsupportedMediaType, errCompressed)
			return
		}
	}
	body, status, err := r.read(req)
	a.record.Bytes = len(body)
	if err != nil {
		a.refuse(status, err)
		return
	}
	r.unlimitReading(w)
	var verified Verified
	if err := r.engine.verify(req, body, time.Now(), &verified); err != nil {
		a.unverified(err)
		return
	}
	if r.engine.scheme.signsTokens && len(body) <= maxChallenge && harmless(string(body)) {
		a.refuse(http.StatusUnauthorized, r.engine.refuse(ErrBadSignature, "the body could be the token of a handshake"))
		return
	}
	a.verified(&verified)
	if reply := r.handshake(req, body, verified); reply != nil {
		a.reply(reply)
		return
	}
	events, err := r.engine.events(req, body, verified, r.config.Name, a.start)
	if err != nil {
		a.refuse(http.StatusBadRequest, err)
		return
	}
	a.record.Events = events
	a.body = body
	deliver(events, a)
}

// serveOther answers a request whose method is not one of an event.
func (r *Receiver) serveOther(a *answer) {
	allowed := r.config.Methods
	if r.engine.scheme.Handshake != nil {
		if a.req.Method == http.MethodGet {
			if reply := r.handshake(a.req, nil, Verified{}); reply != nil {
				a.reply(reply)
				return
			}
			a.refuse(http.StatusUnauthorized, errHandshake)
			return
		}
		allowed = append(slices.Clone(allowed), http.MethodGet)
	}
	a.w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.refuse(http.StatusMethodNotAllowed, errMethod)
}

// handshake returns the answer to a handshake, nil if the request is none.
func (r *Receiver) handshake(req *http.Request, body []byte, v Verified) *Reply {
	e := r.engine
	if e.scheme.Handshake == nil {
		return nil
	}
	h := Handshake{Request: req, Body: body, Token: r.config.VerifyToken}
	k := v.key
	if body == nil && len(e.keys) > 0 {
		k = e.keys[0]
	}
	if k != nil && k.secret != nil {
		h.MAC = func(text string) []byte {
			m := newHMAC(HMACSHA256, k.secret())
			m.Write([]byte(text))
			return m.Sum(nil)
		}
	}
	return e.scheme.Handshake(h)
}
