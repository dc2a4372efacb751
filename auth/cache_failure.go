package auth

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/flight"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// gate keeps callers away from a source that has failed, until it is time to
// ask again. It never makes anybody wait.
type gate struct {
	closed atomic.Pointer[closure] // nil if open

	mu       sync.Mutex
	failures int  // in a row
	told     bool // that the user has to log in again
}

// closure is a failure and the time up to which it stands for the source's
// answer.
type closure struct {
	err   *TokenError
	until time.Time
}

func (c *closure) holds(now time.Time) bool { return c != nil && now.Before(c.until) }

// refusal returns the error for a caller who comes at now; nil if the source may
// be asked.
func (g *gate) refusal(now time.Time) *TokenError {
	c := g.closed.Load()
	if !c.holds(now) {
		return nil
	}
	err := *c.err
	err.Wait = c.until.Sub(now)
	return &err
}

// shut reports whether refusal would return an error.
func (g *gate) shut(now time.Time) bool { return g.closed.Load().holds(now) }

// failed closes the gate because of err, and reports whether that is news for
// the one who has to log in again.
func (g *gate) failed(c *CacheConfig, err *TokenError, now time.Time) (reauth bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := c.PermanentFor
	if err.Kind != Permanent {
		wait = backoff(c, g.failures)
		g.failures++
	}
	if c.MaxRetryAfter > 0 {
		wait = max(wait, min(err.Wait, c.MaxRetryAfter))
	}
	err.Wait = wait
	g.closed.Store(&closure{err: err, until: now.Add(wait)})
	reauth = !g.told && errors.Is(err, ErrReauthRequired)
	g.told = g.told || reauth
	return reauth
}

// open forgets all failures.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.told = 0, false
	g.closed.Store(nil)
}

// backoff returns the time to leave the source alone after so many failures
// before this one.
func backoff(c *CacheConfig, failures int) time.Duration {
	d := c.MinBackoff
	for ; failures > 0 && d < c.MaxBackoff; failures-- {
		d *= 2 // far from an overflow: both are below maxLifetime
	}
	d = min(d, c.MaxBackoff)
	return d/2 + rand.N(d/2+1) // #nosec G404 -- jitter needs no secrecy
}

// tokenError makes a TokenError of its own of whatever a Source has returned.
func tokenError(err error) *TokenError {
	if e, ok := errors.AsType[*TokenError](err); ok {
		own := *e
		if own.Kind < Transient || own.Kind > Canceled {
			own.Kind = kindOf(own.Status)
		}
		own.Code, own.Description = printable(own.Code, maxCode), printable(own.Description, maxDescription)
		own.Err = redactError(own.Err, nil)
		own.Wait = max(0, own.Wait)
		return &own
	}
	e := &TokenError{Kind: Transient, Err: redactError(err, nil)}
	if r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err); ok && !r.Retryable() || errors.Is(err, ErrReauthRequired) {
		e.Kind = Permanent
	}
	e.Wait = httpx.RetryAfter(err)
	return e
}

// errTooSlow is the error of a question that took longer than Timeout.
func errTooSlow() *TokenError {
	return &TokenError{Kind: Transient, Description: "the source takes too long", Err: context.DeadlineExceeded}
}

// flightError makes a TokenError of what a flight gave a caller with ctx.
func flightError(ctx context.Context, err error) error {
	if e, ok := err.(*TokenError); ok { //nolint:errorlint // it comes unwrapped from fetch
		return e
	}
	var p *flight.PanicError
	switch {
	case errors.Is(err, flight.ErrClosed):
		return &TokenError{Kind: Canceled, Err: ErrClosed}
	case errors.Is(err, flight.ErrTimeout):
		return errTooSlow()
	case errors.As(err, &p):
		return &TokenError{Kind: Protocol, Description: "the source, or a hook, panicked", Err: err}
	case ctx.Err() != nil:
		return &TokenError{Kind: Canceled, Err: err}
	}
	return &TokenError{Kind: Protocol, Err: err}
}
