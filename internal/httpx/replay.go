package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// ErrNotRepeatable says that a body has been sent in part and can't be had
// again.
var ErrNotRepeatable = errors.New("the request body cannot be sent again")

// Replay gives out one request per attempt, each with the body from its start.
//
// A request without a body needs nothing. Where GetBody is set, each
// further attempt gets its body from there, and nothing is copied. Any other
// body is recorded while the first attempt streams it, up to a limit; a longer
// one is sent once and the request is not repeatable from then on.
//
// The zero value is not of use. A Replay belongs to one goroutine; the bodies
// that it gave out may be used by others.
type Replay struct {
	req *http.Request
	rec *recorder
}

// NewReplay makes the replay of req, which it does not change, keeping at most
// limit bytes of a body that has no GetBody. Done must be called.
func NewReplay(req *http.Request, limit int64) Replay {
	if Rewindable(req) {
		return Replay{req: req}
	}
	return Replay{req: req, rec: newRecorder(req.Context(), req.Body, limit)}
}

// Rewindable reports whether req can be sent again without a record of its body:
// there is none, or GetBody opens another. Then First is req itself, and Done
// has nothing to do.
func Rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// First returns the request of the first attempt.
func (r Replay) First() *http.Request {
	if r.rec == nil {
		return r.req
	}
	return r.recorded(r.req.Context())
}

// Again returns the request of a further attempt, with the context ctx, once the
// RoundTrip of the attempt before has returned. It takes the body away from that
// attempt, which may still be reading it. The error is ErrNotRepeatable or that
// of GetBody.
func (r Replay) Again(ctx context.Context) (*http.Request, error) {
	switch {
	case r.rec != nil:
		if !r.rec.repeatable() {
			return nil, ErrNotRepeatable
		}
		return r.recorded(ctx), nil
	case !r.HasBody():
		return r.req.WithContext(ctx), nil
	}
	body, err := r.req.GetBody()
	switch {
	case err != nil:
		return nil, err
	case body == nil:
		return nil, ErrNotRepeatable // rather than sent without one
	}
	return withBody(ctx, r.req, body), nil
}

// recorded returns a request that sends the body from the record. If the body
// is known to fit in there it has a GetBody too: net/http sends what an HTTP/2
// server has certainly not processed (GOAWAY, REFUSED_STREAM) once more by
// itself if it can, and else fails with an error that has no type.
func (r Replay) recorded(ctx context.Context) *http.Request {
	clone := withBody(ctx, r.req, r.rec.attempt())
	if n := r.req.ContentLength; n > 0 && n <= r.rec.limit {
		clone.GetBody = r.rec.getBody
	}
	return clone
}

// HasBody reports whether the request has one. If not, what Again returned can
// be sent any number of times.
func (r Replay) HasBody() bool { return r.req.Body != nil && r.req.Body != http.NoBody }

// Repeatable reports whether Again can be expected to succeed.
func (r Replay) Repeatable() bool { return r.rec == nil || r.rec.repeatable() }

// Done says that no attempt follows: the caller's body is closed as soon as
// the last attempt has closed its own.
func (r Replay) Done() {
	if r.rec != nil {
		r.rec.finish()
	}
}

// withBody returns a shallow copy of req that sends body. The copy has its own
// Body field and shares everything else, so what is below must not write to it,
// as RoundTripper demands anyway.
func withBody(ctx context.Context, req *http.Request, body io.ReadCloser) *http.Request {
	clone := req.WithContext(ctx)
	clone.Body = body
	return clone
}
