package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

const authorization = "Authorization"

// Bearer sends the access tokens of s in the Authorization field (RFC 6750,
// section 2.1). If s is an [Invalidator], as a [Cache] is, a 401 invalidates the
// very token that it was the answer to.
//
// It asks s for each request: put a Cache in front of a Source that goes over
// the network. A nil s is a mistake that [New] reports.
func Bearer(s Source) Authorizer {
	if isNil(s) {
		return nil
	}
	return &bearer{source: s}
}

type bearer struct {
	source Source
	last   atomic.Pointer[bearerField]
}

// bearerField is a token and what is sent for it.
type bearerField struct {
	token *Token
	value string
}

func (b *bearer) field(ctx context.Context) (name, value string, err error) {
	t, err := b.source.Token(ctx)
	if err != nil {
		return "", "", err
	}
	field := b.last.Load()
	if field == nil || field.token != t {
		if field, err = newBearerField(t); err != nil {
			return "", "", err
		}
		b.last.Store(field)
	}
	return authorization, field.value, nil
}

func (b *bearer) Authorize(ctx context.Context, req *http.Request) error {
	return setField(ctx, b, req)
}

func newBearerField(t *Token) (*bearerField, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if !t.bearer() {
		// RFC 6749, section 7.1: a client must not use a type that it does not
		// understand.
		return nil, &TokenError{Kind: Protocol, Description: "the token is of type " + printable(t.Type, maxCode) + ", not Bearer"}
	}
	return &bearerField{token: t, value: "Bearer " + t.AccessToken.Reveal()}, nil
}

func (b *bearer) Challenge(_ context.Context, sent *http.Request, _ *http.Response) bool {
	source, ok := b.source.(Invalidator)
	if !ok {
		return false
	}
	used, ok := strings.CutPrefix(sent.Header.Get(authorization), "Bearer ")
	return ok && source.Invalidate(&Token{AccessToken: NewSecret(used)})
}

// String and GoString keep the token out of texts.
func (*bearer) String() string   { return "auth.Bearer" }
func (*bearer) GoString() string { return "auth.Bearer" }

// StaticBearer sends one token for ever (RFC 6750, section 2.1). The token must
// be a b64token as defined there.
func StaticBearer(token Secret) (Authorizer, error) {
	if !isB64Token(token.Reveal()) {
		return nil, errors.New("auth: StaticBearer: the token is not a b64token (RFC 6750, section 2.1)")
	}
	return &fixed{name: authorization, value: NewSecret("Bearer " + token.Reveal())}, nil
}

// isB64Token reports whether s is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" /
// "+" / "/" ) *"=".
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
