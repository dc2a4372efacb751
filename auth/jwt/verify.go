package jwt

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// DefaultLeeway is the default of Config.Leeway.
const DefaultLeeway = 30 * time.Second

// Config says which tokens a [Verifier] takes. Keys, Algorithms, Issuer and
// Audiences must be set.
type Config struct {
	// Keys has the keys of the issuer, such as a [KeySet] or a [*JWKS].
	Keys KeySource

	// Algorithms are the ones that the issuer uses. There is no default: which
	// algorithm is good is not for the token to say.
	Algorithms []Algorithm

	// Issuer is what "iss" must be, to the letter: a slash at its end counts.
	Issuer string

	// Audiences are names of the receiver: "aud" must have one of them, to the
	// letter.
	Audiences []string

	// Type is what the header member "typ" must be, without regard to case and
	// to a leading "application/": "at+jwt" for the access tokens of RFC 9068.
	// With it, a token that was made for something else is not taken for an
	// access token. "" means that typ must be missing, or "JWT".
	Type string

	// Leeway is how far the clocks may differ, for "exp", "nbf" and "iat".
	// 0 means [DefaultLeeway]; a negative value means none.
	Leeway time.Duration

	// MaxBytes is how long a token may be. 0 means [DefaultMaxBytes].
	MaxBytes int

	// DangerouslyAnyIssuer takes tokens with any "iss", or none. Keys then
	// must be those of one issuer.
	DangerouslyAnyIssuer bool

	// DangerouslyAnyAudience takes tokens with any "aud", or none: also those
	// that the issuer made for somebody else, who can then use them here.
	DangerouslyAnyAudience bool

	// DangerouslyNoExpiry takes tokens without "exp". They are good for ever.
	DangerouslyNoExpiry bool
}

// Verifier checks tokens of one issuer. It is immutable and safe for concurrent
// use; only its KeySource may wait for the network.
type Verifier struct {
	config Config
}

// New checks c and makes a Verifier of it. Its error joins one error for each
// value that is wrong.
func New(c Config) (*Verifier, error) {
	var errs []error
	if c.Keys == nil {
		errs = append(errs, errors.New("jwt: Config.Keys is nil: must be set"))
	}
	if err := checkAlgorithms(c.Algorithms); err != nil {
		errs = append(errs, err)
	}
	if c.Issuer == "" && !c.DangerouslyAnyIssuer {
		errs = append(errs, errors.New("jwt: Config.Issuer is empty: must be set"))
	}
	if (len(c.Audiences) == 0 || slices.Contains(c.Audiences, "")) && !c.DangerouslyAnyAudience {
		errs = append(errs, errors.New("jwt: Config.Audiences must have at least one name, and no empty one"))
	}
	if c.MaxBytes < 0 {
		errs = append(errs, errors.New("jwt: Config.MaxBytes is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Algorithms, c.Audiences = slices.Clone(c.Algorithms), slices.Clone(c.Audiences)
	switch {
	case c.Leeway == 0:
		c.Leeway = DefaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	return &Verifier{config: c}, nil
}

// Verify checks a token: its form, type, algorithm, signature, issuer, audience
// and times, in this order. The error is an [*Error] if the token is to blame,
// a [*KeysError] if its keys could not be had, or the cause of the context's end.
// It costs what the signature costs; a [*JWKS] may wait for the network when
// it has no keys yet or has not seen the token's key before.
func (v *Verifier) Verify(ctx context.Context, token string) (*Token, error) {
	m, err := parseCompact(token, v.config.MaxBytes)
	if err != nil {
		return nil, err
	}
	if err := v.checkType(m); err != nil {
		return nil, err
	}
	if err := m.verify(ctx, v.config.Keys, v.config.Algorithms); err != nil {
		return nil, err
	}
	members, err := parseObject(m.Payload)
	if err != nil {
		return nil, malformed("claims: " + err.Error())
	}
	claims, err := parseClaims(members)
	if err != nil {
		return nil, err
	}
	if err := v.checkClaims(claims, time.Now()); err != nil {
		return nil, err
	}
	return &Token{Claims: claims, Algorithm: m.Algorithm, KeyID: m.KeyID, Type: m.Type, members: members}, nil
}

// checkType keeps tokens that were made for another purpose out (RFC 8725,
// section 3.11).
func (v *Verifier) checkType(m *message) error {
	// The content type is that of a nested token (RFC 7519, section 5.2).
	if m.contentType != "" {
		return &Error{Reason: WrongType, Detail: "cty is set"}
	}
	got, want := mediaType(m.Type), mediaType(v.config.Type)
	if want == "" && (got == "" || got == "jwt") || want != "" && got == want {
		return nil
	}
	return &Error{Reason: WrongType}
}

// mediaType brings a "typ" into one form (RFC 7515, section 4.1.9).
func mediaType(typ string) string {
	typ = strings.ToLower(typ)
	if short, ok := strings.CutPrefix(typ, "application/"); ok && !strings.Contains(short, "/") {
		return short
	}
	return typ
}

func (v *Verifier) checkClaims(c Claims, now time.Time) error {
	if !v.config.DangerouslyAnyIssuer && c.Issuer != v.config.Issuer {
		return &Error{Reason: WrongIssuer}
	}
	isOurs := func(name string) bool { return slices.Contains(v.config.Audiences, name) }
	if !v.config.DangerouslyAnyAudience && !slices.ContainsFunc(c.Audience, isOurs) {
		return &Error{Reason: WrongAudience}
	}
	switch {
	case c.Expiry.IsZero() && !v.config.DangerouslyNoExpiry:
		return &Error{Reason: Expired, Detail: "exp is missing"}
	case !c.Expiry.IsZero() && !now.Before(c.Expiry.Add(v.config.Leeway)):
		return &Error{Reason: Expired}
	case c.NotBefore.After(now.Add(v.config.Leeway)):
		return &Error{Reason: NotYetValid}
	case c.IssuedAt.After(now.Add(v.config.Leeway)):
		return &Error{Reason: NotYetValid, Detail: "iat is in the future"}
	}
	return nil
}
