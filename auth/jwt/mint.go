package jwt

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// DefaultLifetime is the default of MinterConfig.Lifetime.
const DefaultLifetime = 5 * time.Minute

// MinterConfig says what tokens a [Minter] makes. Either Key or Secret must be
// set. It prints neither.
type MinterConfig struct {
	// Key signs. It may live in a key management service or in hardware; then
	// each token costs a call there. Its public key must be one that
	// [PublicKey] takes. It must be safe for concurrent use if the Minter is to
	// be, as those of the standard library are.
	Key crypto.Signer

	// Secret signs with an HMAC instead. See [SecretKey] for its length.
	Secret auth.Secret

	// Algorithm is the one to sign with. "" means the usual one of the key:
	// HS256, RS256, EdDSA, or that of the elliptic curve.
	Algorithm Algorithm

	// KeyID is the header member "kid". "" leaves it out.
	KeyID string

	// Type is the header member "typ". "" leaves it out; most receivers
	// expect "JWT" or nothing.
	Type string

	// Claims are those of each token. Expiry, NotBefore, IssuedAt and ID are
	// filled in for each token and must be zero.
	Claims Claims

	// Lifetime is the time from minting to "exp", at least a second.
	// 0 means [DefaultLifetime].
	Lifetime time.Duration

	// Backdate is how far "iat" lies before the time of minting, for receivers
	// whose clock is behind. It must not be negative.
	Backdate time.Duration
}

// Format writes the algorithm and the id of the key, whatever the verb. Many a
// Key would print itself, and does so where package fmt calls no method: in an
// unexported field.
func (c MinterConfig) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "jwt.MinterConfig(%q, %s)", c.KeyID, c.Algorithm)
}

// MarshalText returns what Format writes: for package encoding/json and its like,
// and for log/slog. There is no way back.
func (c MinterConfig) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// Minter makes signed tokens. It is an [auth.Source], immutable and safe for
// concurrent use. It never prints its secret.
type Minter struct {
	signer   signer
	config   MinterConfig // without the keys
	header   []byte
	lifetime time.Duration
}

// signer signs with one key and algorithm.
type signer struct {
	key    crypto.Signer
	secret auth.Secret
	alg    Algorithm
}

// NewMinter checks c and makes a Minter of it. Its error joins one error for
// each value that is wrong.
func NewMinter(c MinterConfig) (*Minter, error) {
	s, err := newSigner(c)
	errs := []error{err}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Lifetime < time.Second {
		errs = append(errs, fmt.Errorf("jwt: MinterConfig.Lifetime is %v: must be at least a second", c.Lifetime))
	}
	if c.Backdate < 0 {
		errs = append(errs, fmt.Errorf("jwt: MinterConfig.Backdate is %v: must not be negative", c.Backdate))
	}
	if t := c.Claims; !t.Expiry.IsZero() || !t.NotBefore.IsZero() || !t.IssuedAt.IsZero() || t.ID != "" {
		errs = append(errs, errors.New("jwt: MinterConfig.Claims has times or an ID, which each token gets of its own"))
	}
	if _, err := c.Claims.encode(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	header, err := json.Marshal(struct {
		Algorithm Algorithm `json:"alg"`
		KeyID     string    `json:"kid,omitempty"`
		Type      string    `json:"typ,omitempty"`
	}{s.alg, c.KeyID, c.Type})
	if err != nil {
		return nil, fmt.Errorf("jwt: header: %w", err)
	}
	c.Key, c.Secret = nil, auth.Secret{}
	c.Claims.Audience, c.Claims.Scope = slices.Clone(c.Claims.Audience), slices.Clone(c.Claims.Scope)
	c.Claims.Extra = maps.Clone(c.Claims.Extra)
	return &Minter{signer: s, config: c, header: header, lifetime: c.Lifetime}, nil
}

func newSigner(c MinterConfig) (signer, error) {
	switch {
	case c.Key != nil && !c.Secret.IsZero():
		return signer{}, errors.New("jwt: MinterConfig has a Key and a Secret: must have one of them")
	case c.Key == nil && c.Secret.IsZero():
		return signer{}, errors.New("jwt: MinterConfig has no Key and no Secret: must have one of them")
	}
	var key Key
	var err error
	if c.Key != nil {
		key, err = PublicKey(c.KeyID, c.Algorithm, pubkey.Of(c.Key))
	} else {
		key, err = SecretKey(c.KeyID, c.Algorithm, c.Secret)
	}
	if err != nil {
		return signer{}, err
	}
	s := signer{key: c.Key, secret: c.Secret, alg: c.Algorithm}
	if s.alg == "" {
		s.alg = defaultAlgorithm(key.key)
	}
	return s, nil
}

// Mint makes a token of the configured claims, with its times and an ID of its
// own, and returns it with its expiry. The expiry is what the token says: in
// whole seconds, never later than the lifetime.
//
// A crypto.Signer knows no context, so one that has ended is noticed before and
// after signing, but does not cut it short. The error is the context's cause, or
// that of the signer.
func (m *Minter) Mint(ctx context.Context) (token string, expiry time.Time, err error) {
	now := time.Now()
	c := m.config.Claims
	c.IssuedAt = now.Add(-m.config.Backdate)
	c.Expiry = now.Add(m.lifetime).Truncate(time.Second)
	c.ID = rand.Text()
	token, err = m.Sign(ctx, c)
	if err != nil {
		return "", time.Time{}, err
	}
	return token, c.Expiry, nil
}

// Token is Mint in the form of an [auth.Source]. An [auth.Cache] in front of it
// signs once for many requests, and anew before the token expires:
//
//	minter, err := jwt.NewMinter(jwt.SelfSigned("orders", "billing", "k1", key))
//	…
//	tokens, err := auth.NewCache(auth.CacheConfig{Source: minter})
func (m *Minter) Token(ctx context.Context) (*auth.Token, error) {
	compact, expiry, err := m.Mint(ctx)
	if err != nil {
		return nil, err
	}
	return &auth.Token{AccessToken: auth.NewSecret(compact), Expiry: expiry}, nil
}

// Sign makes a token of exactly these claims. Use it where each token differs;
// the configured claims do not come into it.
func (m *Minter) Sign(ctx context.Context, c Claims) (string, error) {
	payload, err := c.encode()
	if err != nil {
		return "", err
	}
	return m.SignJWS(ctx, payload)
}

// SignJWS signs any payload and returns the JWS in compact form (RFC 7515,
// section 7.1).
func (m *Minter) SignJWS(ctx context.Context, payload []byte) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	input := encode(m.header) + "." + encode(payload)
	signature, err := m.signer.sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("jwt: sign with %s: %w", m.signer.alg, err)
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return input + "." + encode(signature), nil
}

// Format writes the algorithm and the id of the key, whatever the verb.
func (m Minter) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "jwt.Minter(%q, %s)", m.config.KeyID, m.signer.alg)
}

// sign returns the signature in the form that JWS has for it (RFC 7518, section
// 3; RFC 8037, section 3.1).
func (s signer) sign(input []byte) ([]byte, error) {
	f, hash := s.alg.details()
	if f == hmacFamily {
		mac := hmac.New(hash.New, []byte(s.secret.Reveal()))
		mac.Write(input)
		return mac.Sum(nil), nil
	}
	return pubkey.Sign(s.key, hash, f == pssFamily, input)
}
