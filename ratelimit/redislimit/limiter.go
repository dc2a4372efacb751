package redislimit

import (
	"context"
	"crypto/rand"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// Limiter keeps the requests of all replicas of a program within one rate, per
// key. It is safe for concurrent use. At rest it has no goroutine and no timer,
// and holds no slots that could still be spent.
type Limiter struct {
	config   Config // with defaults filled in
	id       string // of this replica
	interval time.Duration
	maxLease int
	start    time.Time
	buckets  *keyed.Map[httpx.Key, bucket]
	link     link
	events   events
	replicas atomic.Int64 // that use the key of the last reply
}

// New checks c and makes a Limiter of it. Its error joins one error for each
// field that is wrong. It does not call Redis.
func New(c Config) (*Limiter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.fill()
	l := &Limiter{
		config:   c,
		id:       rand.Text(),
		interval: time.Duration(math.Ceil(float64(time.Second) / c.Rate)),
		maxLease: max(1, c.Burst/4),
		start:    time.Now(),
	}
	l.link.probe = c.Probe
	l.replicas.Store(int64(c.Replicas))
	l.buckets = keyed.New(keyed.Config[httpx.Key, bucket]{
		Max:  c.MaxKeys,
		Idle: c.IdleTimeout,
		Hash: httpx.Key.Hash,
		Init: l.initBucket,
		Keep: (*bucket).inUse,
	})
	return l, nil
}

// now is the time since the Limiter was made. It only goes forward.
func (l *Limiter) now() time.Duration { return time.Since(l.start) }

// Wrap returns a RoundTripper that sends each request through next when its
// turn has come. A nil next means http.DefaultTransport.
//
// A request that can't have its turn in time returns an [*Error] at once, its
// body closed and nothing sent. One whose context ends while it waits returns
// the context's cause. An answer of 429 or 503 with Retry-After, or one that
// Config.Check rejects, holds the key for all replicas, as [Limiter.Hold] does.
func (l *Limiter) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{limiter: l, next: httpx.Base(next)}
}

// Wait returns nil when it is the turn of a request to key, and has then spent
// a slot. Otherwise it returns an [*Error], or the cause of ctx's end. A slot
// that turns out not to be needed comes back only with [Limiter.Do].
func (l *Limiter) Wait(ctx context.Context, key string) error {
	turn := turn{limiter: l}
	defer turn.leave()
	return turn.come(ctx, named(key))
}

// Do calls fn when it is the turn of key, and returns what fn returns; fn is
// not called if [Limiter.Wait] would return an error. An error of fn that says
// NotSent, as that of an open circuit breaker does, gives the slot back.
func (l *Limiter) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	turn := turn{limiter: l}
	defer turn.leave()
	if err := turn.come(ctx, named(key)); err != nil {
		return err
	}
	err := fn(ctx)
	turn.unsent = httpx.SaysNotSent(err)
	return err
}

// Hold keeps key quiet for d from now on, for all replicas: this one at once,
// the others when they next ask Redis, which is when they have spent the slots
// that they hold. A pause that lasts longer already is not shortened. It is cut
// to Config.MaxRetryAfter.
//
// Hold does not wait for Redis. While Redis is down the pause holds this
// replica alone, and what is left of it is told when Redis is back.
func (l *Limiter) Hold(key string, d time.Duration) {
	if d = min(d, l.config.MaxRetryAfter); d <= 0 {
		return
	}
	l.withBucket(named(key), func(b *bucket, now time.Duration) { b.hold(now, d) })
}

// Publish tells all replicas what an answer of the upstream has said of its
// quota: that remaining more requests are allowed in a window that ends in
// resetIn. Within a window the lowest number counts, since answers come out of
// order; a window that ends more than a second later is a new one. Slots that
// replicas lease are subtracted, and not added again if they come back. When
// nothing is left, no slot is dated before the end of the window.
//
// It does not wait for Redis: the numbers go with the next lease, or at once
// when remaining is 0. A negative remaining, or a resetIn that is not positive,
// is ignored, and a longer resetIn than Config.MaxRetryAfter cut to that.
func (l *Limiter) Publish(key string, remaining int, resetIn time.Duration) {
	if resetIn = min(resetIn, l.config.MaxRetryAfter); resetIn <= 0 || remaining < 0 {
		return
	}
	l.withBucket(named(key), func(b *bucket, now time.Duration) {
		b.news.window(now, remaining, now+resetIn)
		if remaining == 0 {
			b.hold(now, resetIn)
		}
	})
}

// withBucket calls f with the bucket of key, locked.
func (l *Limiter) withBucket(key httpx.Key, f func(*bucket, time.Duration)) {
	entry := l.buckets.Acquire(key, l.now())
	defer l.buckets.Release(entry)
	b := entry.Value()
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b, l.now())
}

// keyOf names the bucket of req.
func (l *Limiter) keyOf(req *http.Request) httpx.Key {
	if l.config.Key != nil {
		return named(l.config.Key(req))
	}
	return httpx.Origin(req)
}

// named is the key with that name. It finds the bucket of an origin by the name
// that users see.
func named(key string) httpx.Key {
	if scheme, host, ok := strings.Cut(key, "://"); ok && (scheme == "http" || scheme == "https") {
		return httpx.Key{Scheme: scheme, Name: host}
	}
	return httpx.Key{Name: key}
}
