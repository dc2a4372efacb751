package auth

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Token is an access token and what came with it. It can be printed and logged:
// its secrets are redacted.
//
// A Token that a [Source] has returned may be in use by any number of
// goroutines. Nobody changes it; see [Token.Clone].
type Token struct {
	// AccessToken is the credential. It must not be empty.
	AccessToken Secret
	// Type is the token_type (RFC 6749, section 7.1), without regard to case.
	// Empty means Bearer.
	Type string
	// RefreshToken, if there is one, is for the Source alone.
	RefreshToken Secret
	// Scopes are those that were granted, if that is known.
	Scopes []string

	// ExpiresIn is the lifetime as the server tells it (expires_in of RFC 6749,
	// section 5.1). A [Cache] counts it from the time at which it asked.
	// 0 means that Expiry counts.
	ExpiresIn time.Duration
	// Expiry is when the token expires. Zero means that this is not known. In
	// what a Cache returns it is a time of the local clock.
	Expiry time.Time
	// Date is the server's time when it answered (the Date field). If it is set
	// and ExpiresIn is not, Expiry is a time of the server's clock, and a clock
	// that is wrong on either side does not matter.
	Date time.Time
	// Issued is when the token was made, by the local clock, if that was before
	// the Source was asked, such as for one from a file. Zero means then.
	Issued time.Time

	// Extra has the other members of the server's answer, each as the JSON text
	// that it was. They are secrets because some, like id_token, are.
	Extra map[string]Secret
}

// Clone returns a copy that shares nothing with t but the immutable secrets.
func (t *Token) Clone() *Token {
	if t == nil {
		return nil
	}
	clone := *t
	clone.Scopes = slices.Clone(t.Scopes)
	clone.Extra = maps.Clone(t.Extra)
	return &clone
}

// bearer reports whether the token is to be sent as RFC 6750 says.
func (t *Token) bearer() bool { return t.Type == "" || strings.EqualFold(t.Type, "bearer") }

// Source gives out access tokens. It is safe for concurrent use. The Token is
// never nil without an error, nobody changes it, and errors are best a
// [*TokenError]. Token returns soon after ctx has ended.
//
// A [Cache] is a Source in front of another.
type Source interface {
	Token(ctx context.Context) (*Token, error)
}

// SourceFunc is a func that is a [Source].
type SourceFunc func(ctx context.Context) (*Token, error)

// Token calls f.
func (f SourceFunc) Token(ctx context.Context) (*Token, error) { return f(ctx) }

// Invalidator is a [Source] that can be told that a token was refused.
type Invalidator interface {
	Source
	// Invalidate says that used, of which only AccessToken counts, was refused,
	// and reports whether Token can be expected to give another now. It does
	// not wait for that. A token that is not used any more stays untouched.
	Invalidate(used *Token) bool
}

// check says what is wrong with an answer of a Source; nil if nothing is.
func (t *Token) check() error {
	switch {
	case t == nil:
		return &TokenError{Kind: Protocol, Description: "the source returned no token and no error"}
	case t.AccessToken.IsZero():
		return &TokenError{Kind: Protocol, Description: "the access token is empty"}
	case !visible(t.AccessToken.Reveal()):
		// RFC 6749, appendix A.12, but for the space, which RFC 6750 does not
		// allow.
		return &TokenError{Kind: Protocol, Description: "the access token has characters that cannot be sent"}
	}
	return nil
}

// visible reports whether s consists of visible ASCII characters.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
