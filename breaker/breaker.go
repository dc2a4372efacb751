package breaker

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// Breaker is a set of circuit breakers, one per key. It is safe for concurrent
// use.
type Breaker struct {
	config   Config // with defaults filled in
	start    time.Time
	width    time.Duration // of a bucket of the window
	broken   atomic.Int64  // how many circuits are not closed, those that were forgotten included
	circuits *keyed.Map[httpx.Key, circuit]
	last     atomic.Pointer[keyed.Entry[httpx.Key, circuit]]

	forcing sync.Mutex
	forced  map[httpx.Key]*keyed.Entry[httpx.Key, circuit] // in use, so that none is forgotten
}

// New checks c and makes a Breaker of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Breaker, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.setDefaults()
	return &Breaker{
		config: c,
		start:  time.Now(),
		width:  c.Window / windowBuckets,
		circuits: keyed.New(keyed.Config[httpx.Key, circuit]{
			Max:  c.MaxKeys,
			Hash: httpx.Key.Hash,
			Init: func(key *httpx.Key, _ *circuit) { key.Own() },
			Keep: (*circuit).worthKeeping,
		}),
		forced: map[httpx.Key]*keyed.Entry[httpx.Key, circuit]{},
	}, nil
}

// now is the time since the Breaker was made. It only goes forward.
func (b *Breaker) now() time.Duration { return time.Since(b.start) }

// noTime is what circuits are looked up with: they are forgotten when there are
// too many of them and never for being idle, so nobody has to read a clock.
const noTime = 0

// Wrap returns a RoundTripper that sends requests through next while the
// circuit of their key lets them. A nil next means http.DefaultTransport.
//
// A refused call returns an [*OpenError] at once, its body closed and nothing
// sent. A call that was sent returns what next returned, and counts when its
// body has been read or closed, or at once if it has failed.
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

// named returns the key that is shown as name: without a Key func, what looks
// like an origin is one, spelt in any way that a request's URL may be.
func (b *Breaker) named(name string) httpx.Key {
	if b.config.Key == nil {
		if scheme, host, ok := strings.Cut(name, "://"); ok && !strings.ContainsAny(host, "/?#@") {
			return httpx.Origin(&http.Request{URL: &url.URL{Scheme: strings.ToLower(scheme), Host: host}})
		}
	}
	return httpx.Key{Name: name}
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
	defer b.circuits.Release(entry)
	if t := entry.Value().trouble.Load(); t != nil && t.phase().state() != Closed {
		if refused := t.ready(); refused != nil {
			return refused
		}
	}
	return nil
}

// admit lets the call of o through its circuit or refuses it.
func (b *Breaker) admit(o *outcome) *OpenError {
	t := o.entry.Value().trouble.Load()
	if t == nil {
		return nil // as nearly always
	}
	if o.phase = t.phase(); o.phase.state() == Closed {
		return nil
	}
	return t.admit(o)
}

// refuse tells the hook of a refusal and returns it.
func (b *Breaker) refuse(refused *OpenError) error {
	if b.config.Hooks.Refused != nil {
		b.config.Hooks.Refused(refused)
	}
	return refused
}
