package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// The defaults of [Config].
const (
	DefaultMaxRetryAfter = 10 * time.Minute
	DefaultMaxKeys       = 10_000
	DefaultIdleTimeout   = 10 * time.Minute
)

// Config says what a [Limiter] allows. The zero value has no rate of its own
// and only obeys servers that ask for a pause.
type Config struct {
	// Rate is how many requests per second each key may send in the long run.
	// 0 and rate.Inf mean no limit of our own.
	Rate rate.Limit

	// Burst is how many requests a key may send at once after a quiet time. A
	// full bucket adds Burst to what Rate allows in a window, so keep it small
	// for an API that counts strictly. 0 means a tenth of a second's worth, at
	// least 1.
	Burst int

	// MaxWait is the longest that a request waits for its turn; one that would
	// have to wait longer is refused at once. 0 means as long as its context
	// allows; a negative value means that requests never wait.
	MaxWait time.Duration

	// MaxRetryAfter is the longest that a server's Retry-After holds a key;
	// a longer wish is cut to it. 0 means [DefaultMaxRetryAfter]; a negative
	// value means that such wishes are ignored.
	MaxRetryAfter time.Duration

	// Key names the bucket of a request. nil means one bucket per scheme, host
	// and port. It is called on every request and must be safe for concurrent
	// use.
	Key func(*http.Request) string

	// Ready, when not nil, is asked before a request queues and, if it had to
	// wait, again when its turn comes: an error refuses the request, costs
	// no token, and is returned as it is. The method Ready of a circuit breaker
	// fits. It must not read the body.
	Ready func(*http.Request) error

	// Check, when not nil, looks at each response: an error means that the
	// server has throttled us, whatever the status, for the time that the
	// error's RetryAfter method or the Retry-After field says. Check must
	// leave the body as it found it. The error is not returned: the response
	// is. nil from it leaves the decision to the status.
	Check func(*http.Response) error

	// MaxKeys bounds the buckets that are remembered; the one that was not
	// used for longest goes first, held ones last. A forgotten bucket starts
	// full. 0 means [DefaultMaxKeys].
	MaxKeys int

	// IdleTimeout is how long a bucket is remembered that nobody uses, or as
	// long as it takes to fill, if that is longer. 0 means
	// [DefaultIdleTimeout]; a negative value means as long as MaxKeys allows.
	IdleTimeout time.Duration

	// Hooks are told of waits, holds and refusals.
	Hooks Hooks
}

// Limiter keeps requests within a rate, per key, and stops a key for everyone
// when its server asks for a pause. It is safe for concurrent use.
type Limiter struct {
	config  Config // with defaults filled in
	start   time.Time
	clock   atomic.Int64 // the time, in nanoseconds since start, but for a grain
	buckets *keyed.Map[httpx.Key, bucket]
	last    atomic.Pointer[keyed.Entry[httpx.Key, bucket]]
}

// New checks c and makes a Limiter of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Limiter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Rate == rate.Inf {
		c.Rate = 0
	}
	if c.Burst == 0 {
		c.Burst = int(min(max(1, math.Ceil(float64(c.Rate)/10)), maxBurst))
	}
	if c.MaxRetryAfter == 0 {
		c.MaxRetryAfter = DefaultMaxRetryAfter
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = DefaultMaxKeys
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	l := &Limiter{config: c, start: time.Now()}
	l.buckets = keyed.New(keyed.Config[httpx.Key, bucket]{
		Max:  c.MaxKeys,
		Idle: c.idle(),
		Hash: httpx.Key.Hash,
		New:  l.newBucket,
		Keep: (*bucket).isHeld,
	})
	return l, nil
}

const maxBurst = 1 << 30

// check returns one error for each field that is out of range.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("ratelimit: Config.%s is %v: %s", field, value, reason))
		}
	}
	wrong(!(c.Rate >= 0), "Rate", float64(c.Rate), "must be a number that is not negative")
	wrong(c.Burst < 0 || c.Burst > maxBurst, "Burst", c.Burst, "must be between 0 and 2^30")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, "must not be negative")
	return errors.Join(errs...)
}

// idle is how long an unused bucket has to be remembered: one that is forgotten
// before it is full again would give its tokens twice.
func (c *Config) idle() time.Duration {
	if c.IdleTimeout < 0 || c.Rate == 0 {
		return c.IdleTimeout
	}
	fill := float64(c.Burst)/float64(c.Rate)*float64(time.Second) + float64(grain)
	if fill >= math.MaxInt64 {
		return -1
	}
	return max(c.IdleTimeout, time.Duration(fill))
}

// now is the time since the Limiter was made. It only goes forward.
func (l *Limiter) now() time.Duration { return time.Since(l.start) }

// acquire returns the entry of req. Most programs call one host again and
// again, so the bucket found last is tried before it is searched for.
func (l *Limiter) acquire(req *http.Request) *keyed.Entry[httpx.Key, bucket] {
	if e := l.last.Load(); e != nil && e.Key().Names(req) && l.buckets.Again(e, l.recently()) {
		return e
	}
	e := l.buckets.Acquire(httpx.KeyOf(req, l.config.Key), l.recently())
	// Not each time: with many hosts, all goroutines would write to one place.
	if l.config.Key == nil && rand.Uint32()%16 == 0 { // #nosec G404 -- needs no secrecy
		l.last.Store(e)
	}
	return e
}

// grain is how far the time of recently may lag behind.
const grain = time.Second

// recently is the time that buckets are looked up with. It costs no reading of
// the clock, which happens where the order of times can be kept.
func (l *Limiter) recently() time.Duration { return time.Duration(l.clock.Load()) }

// note takes notice of the time now, at which the bucket of entry was used. If
// recently lagged behind, the entry is told.
func (l *Limiter) note(entry *keyed.Entry[httpx.Key, bucket], now time.Duration) {
	if now-l.recently() <= grain {
		return
	}
	l.clock.Store(int64(now))
	if l.buckets.Again(entry, now) {
		entry.Release()
	}
}

// Wrap returns a RoundTripper that sends each request through next when its
// turn has come. A nil next means http.DefaultTransport.
//
// A request that can't have its turn in time returns an [*Error] at once, its
// body closed and nothing sent. One whose context ends while it waits returns
// the context's cause.
func (l *Limiter) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{limiter: l, next: httpx.Base(next)}
}
