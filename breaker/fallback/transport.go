package fallback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type transport struct {
	fallback *Fallback
	next     http.RoundTripper
}

// RoundTrip sends req, and looks for an answer if that fails.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	f := t.fallback
	c := f.trip(req)
	if !f.resends {
		resp, err := t.next.RoundTrip(c.sent)
		return f.finish(c, resp, err)
	}
	keep := f.maxBuffer
	if !httpx.Idempotent(req) {
		// It is sent again only if nothing of it was sent, so keep nothing.
		keep = 0
	}
	c.replay = httpx.NewReplay(c.sent, keep)
	defer c.replay.Done()
	resp, err := t.next.RoundTrip(c.replay.First())
	return f.finish(c, resp, err)
}

// CloseIdleConnections forwards to the transport below, and to those of the
// other upstreams.
func (t *transport) CloseIdleConnections() {
	httpx.CloseIdle(t.next)
	for _, s := range t.fallback.stations {
		if u, ok := s.source.(*upstream); ok {
			httpx.CloseIdle(u.transport)
		}
	}
}

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// trip is a request on its way.
type trip struct {
	req    *http.Request // the caller's
	sent   *http.Request // req, or a copy of it with another context
	added  *atomic.Bool  // whether a layer below has added credentials; nil if nobody asks
	asked  time.Time     // when it was sent, if somebody remembers answers
	replay httpx.Replay  // zero if no Answer sends the request again
}

// trip sees to it that those that remember good answers know whose they are.
func (f *Fallback) trip(req *http.Request) trip {
	c := trip{req: req, sent: req}
	if !f.remembers || !takesPart(req) {
		return c
	}
	c.asked = time.Now()
	if f.watches {
		var ctx context.Context
		ctx, c.added = httpx.WatchCredentials(req.Context())
		c.sent = req.WithContext(ctx)
	}
	return c
}

// finish returns what the call came to, or something better.
func (f *Fallback) finish(t trip, resp *http.Response, err error) (*http.Response, error) {
	f.calls.Add(1)
	req := t.req
	unguarded := resp
	defer func() { closeBody(unguarded) }() // if a callback panics
	if resp != nil && resp.Request == t.sent {
		resp.Request = req
	}
	unforge(req, resp)
	failure, failed := f.judge(req, resp, err)
	if failed && httpx.Over(req.Context()) == nil {
		f.failures.Add(1)
		unguarded = nil
		c := &call{fallback: f, trip: t, failure: failure, resp: resp, err: err}
		defer c.release()
		return c.replace()
	}
	if !failed && resp != nil {
		f.learn(t, resp)
	}
	unguarded = nil
	return resp, err
}

// learn lets those that remember good answers have a look at resp.
func (f *Fallback) learn(t trip, resp *http.Response) {
	for _, s := range f.stations {
		if m, ok := s.source.(*memory); ok {
			m.learn(t, resp, s.Answer)
		}
	}
}

// call is one call that has failed. It owns the responses that it holds:
// release closes them when a callback panics.
type call struct {
	trip
	fallback *Fallback
	failure  Failure

	resp    *http.Response // what came from below; nil after an error
	err     error          // likewise
	instead *http.Response // the answer to be
	errs    []error        // of the Answers that were asked
}

// replace asks one Answer after the other.
func (c *call) replace() (*http.Response, error) {
	for _, s := range c.fallback.stations {
		err := c.ask(s)
		if cause := httpx.Over(c.req.Context()); cause != nil {
			if err == nil {
				err = cause
			}
			c.note(s, err)
			return c.interrupted(cause)
		}
		if c.instead != nil {
			return c.serve(s), nil
		}
		c.note(s, err)
	}
	c.tellFailed()
	resp := c.resp
	c.resp = nil
	return resp, c.outcome()
}

// outcome returns the error of a call that got no answer. That of the first
// upstream may prove that it has seen nothing, and a layer above would take an
// order for unsent that a To has sent.
func (c *call) outcome() error {
	if c.failure.NotSent || httpx.Idempotent(c.req) || !httpx.NotSent(c.req, c.err) {
		return c.err
	}
	return sentOn{c.err}
}

// sentOn is the error of a request that has not reached the first upstream and
// may have been carried out by another one.
type sentOn struct{ error }

// NotSent is false.
func (sentOn) NotSent() bool { return false }

// Timeout reports whether that of the first upstream is a time limit's: url.Error
// asks for it.
func (e sentOn) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.error)
	return ok && t.Timeout()
}

// Unwrap returns the error of the first upstream.
func (e sentOn) Unwrap() error { return e.error }

// ask puts what s has to offer into c.instead.
func (c *call) ask(s *station) error {
	if !s.covers(c.req) {
		return nil
	}
	resp, err := s.source.answer(c) //nolint:bodyclose // the call owns it until serve or release
	c.instead = resp
	return err
}

// note counts a station that did not serve.
func (c *call) note(s *station, err error) {
	if err == nil {
		s.passed.Add(1)
		return
	}
	s.failed.Add(1)
	c.errs = append(c.errs, fmt.Errorf("%s: %w", s.name, err))
}

// serve returns the answer of s and throws away what came from below.
func (c *call) serve(s *station) *http.Response {
	complete(c.instead)
	markAs(c.instead, c.req, s.name)
	c.fallback.learn(c.trip, c.instead)
	s.served.Add(1)
	c.fallback.served.Add(1)
	if c.fallback.hooks.Served != nil {
		e := c.event()
		e.Answer = s.name
		c.fallback.hooks.Served(e)
	}
	c.discard()
	resp := c.instead
	c.instead = nil
	return resp
}

// interrupted ends a call whose context ended while an answer was looked for.
func (c *call) interrupted(cause error) (*http.Response, error) {
	c.tellFailed()
	c.discard()
	return nil, cause // release closes c.instead
}

// discard throws away what came from below.
func (c *call) discard() {
	if resp := c.resp; resp != nil {
		c.resp = nil
		httpx.Discard(resp)
	}
}

func (c *call) tellFailed() {
	if c.fallback.hooks.Failed != nil {
		c.fallback.hooks.Failed(c.event())
	}
}

func (c *call) event() Event {
	return Event{Request: c.req, Failure: c.failure, Err: errors.Join(c.errs...)}
}

// release closes what the call still holds.
func (c *call) release() {
	closeBody(c.resp)
	closeBody(c.instead)
}

// closeBody closes the body of resp, which may be nil.
func closeBody(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
}
