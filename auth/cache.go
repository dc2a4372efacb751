package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/flight"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Cache is a [Source] in front of another one. It gives out one token as long as
// that is good, without a lock, and sees to it that
//
//   - a token is renewed in the background before it expires, while the old one
//     is given out: under traffic nobody waits for a renewal;
//   - whoever has to wait for a token waits together with the others, for one
//     answer of the Source, but each no longer than its own context allows;
//   - after a failure the Source is left alone for a while, and whoever wants a
//     token learns that at once, with the time of the next try;
//   - a token that was refused is replaced, but only that very one.
//
// It starts a goroutine to ask the Source, when a caller needs a token or the
// token is due to be renewed, and has none otherwise. It is safe for concurrent
// use. One Cache is for one credential: tokens for different clients, users,
// scopes or audiences need a Cache each.
type Cache struct {
	config  CacheConfig // with defaults filled in
	current atomic.Pointer[entry]
	closed  atomic.Bool
	gate    gate
	flights *flight.Group[struct{}, *outcome]

	fetches atomic.Int64
	skew    atomic.Int64
	resets  atomic.Int64

	mu     sync.Mutex // held while current or the gate change
	forced time.Time  // when a token was invalidated last
}

// outcome is the token that a question to the Source has brought, if it has.
type outcome struct {
	entry  *entry
	resets int64 // how many there had been when it was asked
}

// NewCache checks c and makes a Cache of it. Its error joins one error for each
// field that is wrong. Nothing is fetched before a token is wanted.
func NewCache(c CacheConfig) (*Cache, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Cache{config: c, flights: flight.New[struct{}, *outcome](c.Timeout)}, nil
}

// Token returns a token that is good now. Its error is a [*TokenError]: of Kind
// Canceled as soon as ctx ends, else what the Source said, for all who waited
// for it and for those who come too soon after.
//
// The work goes on when ctx ends. It has the values of the ctx that began it,
// for tracing and logs, but not those that are about that one request: no
// net/http/httptrace sees it, and retry.Idempotent, retry.WithIdempotencyKey and
// the wishes of package ratelimit do not hold for it. A Source must not make the
// token depend on such values: all callers get the same.
func (c *Cache) Token(ctx context.Context) (*Token, error) {
	now := time.Now()
	e := c.current.Load()
	if e == nil || e.hard.passed(now) {
		return c.wait(ctx, e, now)
	}
	if e.soft.passed(now) && !c.gate.shut(now) && e.renewing.CompareAndSwap(false, true) {
		if !c.flights.Start(ctx, struct{}{}, func(ctx context.Context) (*outcome, error) { return c.fetch(ctx, e) }) {
			e.renewing.Store(false) // the flight that has brought e is in its hook still
		}
	}
	return e.token, nil
}

// wait returns the token that comes after the entry seen.
func (c *Cache) wait(ctx context.Context, seen *entry, now time.Time) (*Token, error) {
	if c.closed.Load() {
		return nil, &TokenError{Kind: Canceled, Err: ErrClosed}
	}
	if err := c.gate.refusal(now); err != nil {
		return nil, err
	}
	resets := c.resets.Load()
	for {
		o, err := c.flights.Do(ctx, struct{}{}, func(ctx context.Context) (*outcome, error) { return c.fetch(ctx, seen) })
		switch {
		case o != nil && o.resets < resets:
			// It was asked before the Reset that this caller has come after.
		case err != nil:
			return nil, flightError(ctx, err)
		default:
			return o.entry.token, nil
		}
	}
}

// fetch asks the Source for the token that comes after the entry seen. There is
// one fetch at a time.
func (c *Cache) fetch(ctx context.Context, seen *entry) (*outcome, error) {
	ctx = httpx.Aside(ctx)
	sent := time.Now()
	o := &outcome{resets: c.resets.Load()}
	old := c.current.Load()
	good := old != nil && !old.hard.passed(sent)
	if good && old != seen {
		o.entry = old // the flight before this one has brought it
		return o, nil
	}
	if err := c.gate.refusal(sent); err != nil {
		return o, err
	}
	c.fetches.Add(1)
	f := Fetch{Renewal: good}
	returned := false
	defer func() {
		if !returned {
			c.shut(&TokenError{Kind: Protocol, Description: "the source panicked"}, o.resets)
		}
		if good {
			old.renewing.Store(false)
		}
	}()
	t, err := c.config.Source.Token(ctx)
	returned = true
	now := time.Now()
	f.Took = now.Sub(sent)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return o, c.failed(ctx, f, err, o.resets)
	}
	o.entry = c.config.newEntry(t, sent, now)
	c.publish(o, now.Add(-f.Took/2))
	if c.config.Hooks.Fetched != nil {
		c.config.Hooks.Fetched(f)
	}
	return o, nil
}

// publish makes the token of o the current one, unless it is outdated. The Source
// has made it at about made.
func (c *Cache) publish(o *outcome, made time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() || c.resets.Load() != o.resets {
		return
	}
	c.gate.open()
	if !o.entry.token.Date.IsZero() {
		c.skew.Store(int64(o.entry.token.Date.Sub(made)))
	}
	c.current.Store(o.entry)
}

// shut keeps callers away from the Source because of err, unless there has been
// a Reset since it was asked. It reports whether the user has to be told.
func (c *Cache) shut(err *TokenError, resets int64) (reauth bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets.Load() == resets && c.gate.failed(&c.config, err, time.Now())
}

// failed keeps what the Source has said against a token and returns it.
func (c *Cache) failed(ctx context.Context, f Fetch, err error, resets int64) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, flight.ErrTimeout) {
		err = errTooSlow()
	}
	failure, reauth := tokenError(err), false
	if errors.Is(cause, flight.ErrClosed) {
		failure = &TokenError{Kind: Canceled, Err: ErrClosed}
	} else {
		reauth = c.shut(failure, resets)
	}
	f.Err = failure
	if c.config.Hooks.Fetched != nil {
		c.config.Hooks.Fetched(f)
	}
	if reauth && c.config.Hooks.ReauthRequired != nil {
		c.config.Hooks.ReauthRequired(failure)
	}
	return failure
}

// Invalidate says that a server has refused used, of which only AccessToken
// counts, and reports whether Token gives another one now. If used is the
// current token it is not given out any more, unless the last one that was
// refused is not MinForced ago, or no other can be had because the Source has
// failed.
func (c *Cache) Invalidate(used *Token) bool {
	if used == nil || c.closed.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.current.Load(), time.Now()
	if e == nil || !e.token.AccessToken.Equal(used.AccessToken) {
		return !c.gate.shut(now) || e != nil && !e.hard.passed(now)
	}
	// However young the token is: it may have been revoked. The time since the
	// last refusal is what bounds the number of tokens.
	if !c.forced.IsZero() && now.Sub(c.forced) < c.config.MinForced || c.gate.shut(now) {
		return false
	}
	// If it is not swapped, another token has taken its place.
	if c.current.CompareAndSwap(e, nil) {
		c.forced = now
	}
	return true
}

// Reset forgets the token and all failures. Call it when the credentials of the
// Source have changed, or the user has logged in again. What comes of a question
// that is under way is for those who wait for it already; whoever comes after
// Reset waits for the end of it and then for another.
func (c *Cache) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resets.Add(1)
	c.current.Store(nil)
	c.gate.open()
}

// Close ends the question to the Source that is under way, if there is one, and
// lets all who wait for it go. From then on there are no tokens. It can be
// called more than once.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed.Store(true)
	c.current.Store(nil)
	c.mu.Unlock()
	c.flights.Close()
	return nil
}

// Skew returns by how much the server's clock is ahead of the local one, as of
// the last token with a Date; 0 if there was none. It is right to about a
// second.
func (c *Cache) Skew() time.Duration { return time.Duration(c.skew.Load()) }

// CacheSnapshot is the state of a [Cache] at a time.
type CacheSnapshot struct {
	// Usable says that there is a token that is good.
	Usable bool
	// Expiry is when that token expires; zero if it has none or it is not known.
	Expiry time.Time
	// Fetches is how often the Source was asked.
	Fetches int64
	// Failures is how often it has failed since it last gave a token, permanent
	// failures apart.
	Failures int
	// Err is the failure because of which the Source is not asked now; else nil.
	Err error
}

// Snapshot returns the state of the Cache.
func (c *Cache) Snapshot() CacheSnapshot {
	now := time.Now()
	s := CacheSnapshot{Fetches: c.fetches.Load()}
	if e := c.current.Load(); e != nil && !e.hard.passed(now) {
		s.Usable, s.Expiry = true, e.token.Expiry
	}
	if err := c.gate.refusal(now); err != nil {
		s.Err = err
	}
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	s.Failures = c.gate.failures
	return s
}
