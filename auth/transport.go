package auth

import (
	"context"
	"net/http"
	"slices"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type transport struct {
	guard *Guard
	next  http.RoundTripper
}

// RoundTrip sends req with its credentials, and once more if those were refused
// and there are others.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	g := t.guard
	switch reason := g.objection(req); {
	case reason == PlainHTTP:
		return nil, t.refuse(req, req, Event{Reason: reason, Err: &Error{Err: ErrInsecure}})
	case reason != 0:
		if g.hooks.Withheld != nil {
			closing(req, func() { g.hooks.Withheld(Event{Request: req, Reason: reason}) })
		}
		return t.next.RoundTrip(req)
	case g.challenger == nil:
		_, resp, err := t.send(req, req, false)
		return resp, err
	}
	c := call{transport: t, req: req, replay: httpx.NewReplay(req, g.maxBuffer)}
	defer c.replay.Done()
	var err error
	c.sent, c.resp, err = t.send(req, c.replay.First(), false)
	if err != nil || c.resp == nil || c.resp.StatusCode != http.StatusUnauthorized {
		return c.resp, err
	}
	return c.unauthorized()
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// send puts credentials on a copy of base and sends it. req is the caller's: so
// is the context of what it takes to get credentials, which is no replay itself.
func (t *transport) send(req, base *http.Request, replay bool) (sent *http.Request, resp *http.Response, err error) {
	sent, err = t.guard.authorize(req.Context(), base)
	if err != nil {
		e := &Error{Replay: replay, Err: redactError(err, added(base, sent))}
		return nil, nil, t.refuse(req, sent, Event{Reason: NoCredentials, Err: e})
	}
	httpx.AddedCredentials(req.Context())
	resp, err = t.next.RoundTrip(sent)
	if err != nil {
		if resp != nil {
			// That is against the contract. The error is the worse news.
			httpx.Discard(resp)
		}
		return nil, nil, redactError(err, added(base, sent))
	}
	if resp != nil {
		if resp.Request != nil {
			resp.Request = withoutCredentials(base, sent, resp.Request)
		}
		if base.URL != nil && sent.URL.RawQuery != base.URL.RawQuery {
			cleanLocation(resp, base.URL.RawQuery, sent.URL.RawQuery)
		}
	}
	return sent, resp, nil
}

// refuse closes the body of a request that is not sent and tells the hook.
// e.Err must be an *Error.
func (t *transport) refuse(req, unsent *http.Request, e Event) error {
	httpx.Reject(unsent)
	if err, ok := e.Err.(*Error); ok { //nolint:errorlint // our own, just made
		err.Origin = httpx.Origin(req).String()
	}
	if t.guard.hooks.Refused != nil {
		e.Request = req
		t.guard.hooks.Refused(e)
	}
	return e.Err
}

// authorize returns a copy of req with its credentials. After an error it has
// those that were put on before that. When it panics the body is closed.
func (g *Guard) authorize(ctx context.Context, req *http.Request) (*http.Request, error) {
	own := &outgoing{Request: *req}
	sent := &own.Request
	returned := false
	defer func() {
		if !returned {
			httpx.Reject(sent)
		}
	}()
	var err error
	if g.fielder != nil {
		var name string
		if name, own.value[0], err = g.fielder.field(ctx); err == nil {
			sent.Header = withField(req.Header, name, own.value[:])
		}
	} else {
		if sent.Header = req.Header.Clone(); sent.Header == nil {
			sent.Header = make(http.Header, 1)
		}
		u := *req.URL
		sent.URL = &u
		err = g.authorizer.Authorize(ctx, sent)
	}
	returned = true
	return sent, err
}

// outgoing is a copy of a request, with room for the value of the field that it
// gets: one allocation for both.
type outgoing struct {
	http.Request
	value [1]string
}

// withField returns a copy of h with one field set. It shares the values of the
// others, which nobody below may change.
func withField(h http.Header, name string, value []string) http.Header {
	c := make(http.Header, len(h)+1)
	for other, values := range h {
		if !sameField(other, name) {
			c[other] = values
		}
	}
	c[name] = value
	return c
}

// closing calls f, which may panic: then it closes the body of req.
func closing(req *http.Request, f func()) {
	returned := false
	defer func() {
		if !returned {
			httpx.Reject(req)
		}
	}()
	f()
	returned = true
}

// withoutCredentials returns the request that an answer says it belongs to without
// the credentials: it ends in logs, and http.Client puts its URL into errors.
func withoutCredentials(base, sent, answered *http.Request) *http.Request {
	if answered == sent {
		return base
	}
	// Something below has made a copy of its own.
	clean := answered.WithContext(answered.Context())
	clean.Header = answered.Header.Clone()
	for name, values := range sent.Header {
		switch before, ok := base.Header[name]; {
		case slices.Equal(values, before):
		case ok:
			clean.Header[name] = before
		default:
			delete(clean.Header, name)
		}
	}
	if sent.URL != nil && answered.URL != nil && *sent.URL != *base.URL {
		u := *answered.URL
		u.RawQuery, u.User = base.URL.RawQuery, base.URL.User
		clean.URL = &u
	}
	return clean
}

// call is a request that may be sent again. It owns what it holds.
type call struct {
	*transport
	req    *http.Request // the caller's
	replay httpx.Replay
	sent   *http.Request  // with its credentials
	resp   *http.Response // the 401
	again  *http.Request  // to be sent, without credentials yet
}

// unauthorized sends the request again if that makes sense, and returns the 401
// if not.
func (c *call) unauthorized() (*http.Response, error) {
	defer c.release()
	ctx, g := c.req.Context(), c.guard
	if !g.challenger.Challenge(ctx, c.sent, c.resp) || g.noReplay || ctx.Err() != nil || !c.replay.Repeatable() {
		return c.result(), nil
	}
	again, err := c.replay.Again(context.WithValue(ctx, replayKey{}, true))
	if err != nil {
		// What is wrong with GetBody helps nobody who has an answer.
		return c.result(), nil
	}
	c.again = again
	if g.hooks.Replay != nil {
		g.hooks.Replay(Event{Request: c.req, Reason: Unauthorized})
	}
	httpx.Discard(c.result())
	again, c.again = c.again, nil
	_, resp, err := c.send(c.req, again, true)
	return resp, err
}

// result gives the 401 away.
func (c *call) result() *http.Response {
	resp := c.resp
	c.resp = nil
	return resp
}

// release closes what the call still holds after a panic.
func (c *call) release() {
	if c.resp != nil && c.resp.Body != nil {
		_ = c.resp.Body.Close()
	}
	if c.again != nil {
		httpx.Reject(c.again)
	}
}
