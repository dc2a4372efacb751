package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Claims are the claims of a token (RFC 7519, section 4). In a token that was
// verified they have been checked; for a token to be signed the zero value of a
// field leaves the claim out.
type Claims struct {
	// Issuer is "iss".
	Issuer string
	// Subject is "sub".
	Subject string
	// Audience is "aud". A list of one is written as a string, which all
	// receivers understand.
	Audience []string
	// Expiry is "exp", in whole seconds when it is signed.
	Expiry time.Time
	// NotBefore is "nbf".
	NotBefore time.Time
	// IssuedAt is "iat".
	IssuedAt time.Time
	// ID is "jti".
	ID string
	// Scope is "scope", or "scp" where an issuer writes that, as a list (RFC
	// 8693, section 4.2). It is signed as "scope".
	Scope []string

	// Extra are further claims to sign. The names of the claims above must not
	// be among them. In a verified token it is nil: use [Token.Claim].
	Extra map[string]any
}

// registered are the names that have a field in Claims.
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope"}

// latest is the last second of the year 9999, beyond which no date can be
// written.
const latest = 253402300799

// encode returns the claims as JSON.
func (c Claims) encode() ([]byte, error) {
	members := maps.Clone(c.Extra)
	if members == nil {
		members = make(map[string]any, len(registered))
	}
	for _, name := range registered {
		if _, ok := members[name]; ok {
			return nil, fmt.Errorf("jwt: Claims.Extra has the claim %q, which has a field of its own", name)
		}
	}
	put := func(name string, value any, there bool) {
		if there {
			members[name] = value
		}
	}
	put("iss", c.Issuer, c.Issuer != "")
	put("sub", c.Subject, c.Subject != "")
	put("aud", c.Audience, len(c.Audience) > 0)
	if len(c.Audience) == 1 {
		members["aud"] = c.Audience[0]
	}
	put("exp", c.Expiry.Unix(), !c.Expiry.IsZero())
	put("nbf", c.NotBefore.Unix(), !c.NotBefore.IsZero())
	put("iat", c.IssuedAt.Unix(), !c.IssuedAt.IsZero())
	put("jti", c.ID, c.ID != "")
	put("scope", strings.Join(c.Scope, " "), len(c.Scope) > 0)
	data, err := json.Marshal(members)
	if err != nil {
		return nil, errors.New("jwt: Claims.Extra has a value that JSON cannot hold")
	}
	return data, nil
}

// parseClaims reads the claims that have a field. The error is of reason
// Malformed.
func parseClaims(members map[string]json.RawMessage) (Claims, error) {
	var c Claims
	for name, field := range map[string]*string{"iss": &c.Issuer, "sub": &c.Subject, "jti": &c.ID} {
		s, ok := text(members, name)
		if !ok {
			return c, malformed(name + " is not a string")
		}
		*field = s
	}
	for name, field := range map[string]*time.Time{"exp": &c.Expiry, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		t, ok := date(members, name)
		if !ok {
			return c, malformed(name + " is not a date")
		}
		*field = t
	}
	var ok bool
	if c.Audience, ok = texts(members, "aud"); !ok {
		return c, malformed("aud is not a string or a list of strings")
	}
	name := "scope"
	if _, there := members[name]; !there {
		name = "scp"
	}
	if c.Scope, ok = texts(members, name); !ok {
		return c, malformed(name + " is not a string or a list of strings")
	}
	if len(c.Scope) == 1 {
		c.Scope = strings.Fields(c.Scope[0])
	}
	return c, nil
}

// date returns a member that is a NumericDate (RFC 7519, section 2): seconds
// since 1970, from 0 to the end of the year 9999, fractions allowed. A member
// that is missing is the zero time.
func date(members map[string]json.RawMessage, name string) (time.Time, bool) {
	raw, ok := members[name]
	if !ok {
		return time.Time{}, true
	}
	var seconds *float64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil {
		return time.Time{}, false
	}
	if !(*seconds >= 0 && *seconds <= latest) {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// Token is a token that was verified. It is not changed afterwards.
type Token struct {
	Claims

	// Algorithm is that of the signature.
	Algorithm Algorithm
	// KeyID is the id of the key, as the token says it; "" if it does not.
	KeyID string
	// Type is the header member "typ", "" if there was none.
	Type string

	members map[string]json.RawMessage
}

// Claim decodes the claim with exactly this name into v, as json.Unmarshal
// does, and reports whether there is one. Names differ in case: "Role" is not
// "role". Decoding all claims into one struct, which encoding/json does without
// regard to case, is not offered for that reason.
func (t *Token) Claim(name string, v any) (bool, error) {
	raw, ok := t.members[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return true, fmt.Errorf("jwt: claim %q is not a %T", name, v)
	}
	return true, nil
}

// HasScope reports whether the token has all of these scopes.
func (t *Token) HasScope(scopes ...string) bool {
	for _, s := range scopes {
		if !slices.Contains(t.Scope, s) {
			return false
		}
	}
	return true
}
