package auth

import (
	"context"
	"net/http"
	"strings"
)

// Authorizer puts credentials on a request. It is safe for concurrent use.
//
// Authorize may change the header, the URL and the fields of req, which is a
// copy of its own; whatever else the copy points to belongs to the caller and is
// only read. Credentials of the same kind that are on the request already are
// replaced, so that it never goes out with two. When Authorize returns an
// error, nothing is sent.
//
// Credentials in a path cannot be kept out of logs. Put them into the header,
// or if the server leaves no choice, into the query.
type Authorizer interface {
	Authorize(ctx context.Context, req *http.Request) error
}

// AuthorizerFunc is a func that is an [Authorizer].
type AuthorizerFunc func(ctx context.Context, req *http.Request) error

// Authorize calls f.
func (f AuthorizerFunc) Authorize(ctx context.Context, req *http.Request) error { return f(ctx, req) }

// Challenger is an [Authorizer] that may have better credentials after a 401.
type Challenger interface {
	Authorizer
	// Challenge is told of the 401 that answered sent, which is the request as
	// Authorize left it, and reports whether Authorize would put something else
	// on the same request now. It does not wait, only reads sent, and leaves
	// the body of resp unread.
	Challenge(ctx context.Context, sent *http.Request, resp *http.Response) bool
}

// fielder is an Authorizer that sets one field of the header and nothing else,
// so that the request needs no more of a copy than that takes.
type fielder interface {
	Authorizer
	field(ctx context.Context) (name, value string, err error)
}

// setField is the Authorize of a fielder.
func setField(ctx context.Context, f fielder, req *http.Request) error {
	name, value, err := f.field(ctx)
	if err == nil {
		replaceField(req.Header, name, value)
	}
	return err
}

// replaceField sets a field of h whose name is in its canonical form. Those that
// are spelt in another way, which net/http would send as well, are removed.
func replaceField(h http.Header, name, value string) {
	for other := range h {
		if sameField(other, name) {
			delete(h, other)
		}
	}
	h[name] = []string{value}
}

// sameField reports whether a and b name the same field.
func sameField(a, b string) bool {
	// The length is asked for because EqualFold knows other letters than ASCII's.
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// fixed is an Authorizer that always sets the same header field.
type fixed struct {
	name  string
	value Secret // String is not asked by %d, nor by %s of a struct around it
}

func (f *fixed) field(context.Context) (name, value string, err error) {
	return f.name, f.value.Reveal(), nil
}

func (f *fixed) Authorize(ctx context.Context, req *http.Request) error { return setField(ctx, f, req) }

// GoString keeps %#v from looking inside.
func (*fixed) GoString() string { return "auth.Authorizer" }

// String keeps the credentials out of texts.
func (*fixed) String() string { return "auth.Authorizer" }
