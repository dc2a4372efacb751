package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hash functions of the table below
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// AssertionRequest is what an [Assertion] is made for.
type AssertionRequest struct {
	// ClientID is that of the client.
	ClientID string
	// Audience is the issuer if Endpoints.Issuer is set, else the URL of the
	// token endpoint.
	Audience string
	// Now is the time, by the server's clock as far as it is known.
	Now time.Time
}

// Assertion returns a signed statement, mostly a JWT, about a client or a user.
// It is called for each attempt, and must be safe for concurrent use.
type Assertion func(ctx context.Context, r AssertionRequest) (auth.Secret, error)

// get returns the assertion, which must be one that is not empty.
func (a Assertion) get(ctx context.Context, r AssertionRequest) (string, error) {
	if a == nil {
		return "", &permanentError{errors.New("oauth: the Assertion is nil")}
	}
	secret, err := a(ctx, r)
	if err != nil {
		return "", fmt.Errorf("oauth: assertion: %w", err)
	}
	token := secret.Reveal()
	if token == "" || !visible(token, '!') {
		return "", errors.New("oauth: the assertion is empty or has characters that cannot be sent")
	}
	return token, nil
}

// maxAssertion is the longest file that AssertionFile reads.
const maxAssertion = 64 << 10

// AssertionFile reads the assertion from a file, each time anew, without white
// space around it: such as the token that Kubernetes projects into a pod and
// replaces before it expires.
func AssertionFile(path string) Assertion {
	return func(context.Context, AssertionRequest) (auth.Secret, error) {
		f, err := os.Open(path) // #nosec G304 -- the program names it
		if err != nil {
			return auth.Secret{}, err
		}
		defer f.Close() //nolint:errcheck // it was only read
		data, err := io.ReadAll(io.LimitReader(f, maxAssertion+1))
		if err != nil {
			return auth.Secret{}, err
		}
		if len(data) > maxAssertion {
			return auth.Secret{}, fmt.Errorf("%s is longer than %d bytes", path, maxAssertion)
		}
		return auth.NewSecret(strings.TrimSpace(string(data))), nil
	}
}

// DefaultAssertionLifetime is the default of MintConfig.Lifetime.
const DefaultAssertionLifetime = 5 * time.Minute

// MintConfig says what assertions [Mint] makes (RFC 7523, section 3). Only Key
// is needed. It is not printed.
type MintConfig struct {
	// Key signs. It may live in a key management service. It is RSA of 2048 to
	// 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.
	Key crypto.Signer
	// Algorithm is "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	// "ES256", "ES384", "ES512" or "EdDSA" (RFC 7518, RFC 8037). "" means that of
	// the elliptic curve, or RS256.
	Algorithm string
	// KeyID is the header's "kid". "" leaves it out.
	KeyID string
	// Header are further members of the header, such as "x5t#S256". "alg",
	// "kid" and "typ" must not be among them.
	Header map[string]any

	// Issuer is "iss". "" means the client's id.
	Issuer string
	// Subject is "sub". "" means Issuer, as it is for a client that speaks for
	// itself.
	Subject string
	// Audience is "aud". "" means AssertionRequest.Audience. Some servers, such as
	// Entra and Okta, want the URL of their token endpoint although they publish
	// an issuer.
	Audience string
	// Claims are further claims. Those that this func sets must not be among
	// them.
	Claims map[string]any

	// Lifetime is the time from "iat" to "exp", from a second to an hour.
	// 0 means [DefaultAssertionLifetime].
	Lifetime time.Duration
}

// Format writes the algorithm and the id of the key, whatever the verb. Many a
// Key would print itself, and does so where package fmt calls no method: in an
// unexported field.
func (c MintConfig) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "oauth.MintConfig(%q, %s)", c.KeyID, c.Algorithm)
}

// MarshalText returns what Format writes: for package encoding/json and its like,
// and for log/slog. There is no way back.
func (c MintConfig) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// Mint returns an Assertion that signs a new JWT each time, with an id ("jti")
// of its own and times by the server's clock. Its error joins one error for each
// field that is wrong.
func Mint(c MintConfig) (Assertion, error) {
	var errs []error
	alg, err := algorithmOf(c.Key, c.Algorithm)
	errs = append(errs, err)
	if c.Lifetime == 0 {
		c.Lifetime = DefaultAssertionLifetime
	}
	if c.Lifetime < time.Second || c.Lifetime > time.Hour {
		errs = append(errs, fmt.Errorf("oauth: MintConfig.Lifetime is %v: must be between a second and an hour", c.Lifetime))
	}
	for _, name := range []string{"alg", "kid", "typ"} {
		if _, ok := c.Header[name]; ok {
			errs = append(errs, errors.New("oauth: MintConfig.Header has "+name+", which Mint sets"))
		}
	}
	for _, name := range []string{"iss", "sub", "aud", "iat", "exp", "jti"} {
		if _, ok := c.Claims[name]; ok {
			errs = append(errs, errors.New("oauth: MintConfig.Claims has "+name+", which Mint sets"))
		}
	}
	if _, err := json.Marshal(c.Claims); err != nil {
		errs = append(errs, fmt.Errorf("oauth: MintConfig.Claims: %w", err))
	}
	c.Claims = maps.Clone(c.Claims)
	head := map[string]any{"typ": "JWT"}
	maps.Copy(head, c.Header)
	head["alg"] = alg.name
	if c.KeyID != "" {
		head["kid"] = c.KeyID
	}
	header, err := json.Marshal(head)
	if err != nil {
		errs = append(errs, fmt.Errorf("oauth: MintConfig.Header: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func(ctx context.Context, r AssertionRequest) (auth.Secret, error) {
		payload, err := json.Marshal(c.claims(r))
		if err != nil {
			return auth.Secret{}, err
		}
		input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
		signature, err := pubkey.Sign(c.Key, alg.hash, alg.pss, []byte(input))
		if err != nil {
			return auth.Secret{}, fmt.Errorf("sign with %s: %w", alg.name, err)
		}
		if ctx.Err() != nil {
			return auth.Secret{}, context.Cause(ctx)
		}
		return auth.NewSecret(input + "." + base64.RawURLEncoding.EncodeToString(signature)), nil
	}, nil
}

// claims returns those of one assertion.
func (c *MintConfig) claims(r AssertionRequest) map[string]any {
	claims := make(map[string]any, len(c.Claims)+6)
	maps.Copy(claims, c.Claims)
	claims["iss"] = firstOf(c.Issuer, r.ClientID)
	claims["sub"] = firstOf(c.Subject, c.Issuer, r.ClientID)
	claims["aud"] = firstOf(c.Audience, r.Audience)
	claims["iat"] = r.Now.Unix()
	claims["exp"] = r.Now.Add(c.Lifetime).Unix()
	claims["jti"] = rand.Text()
	return claims
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// algorithm is one of RFC 7518, section 3.1, or RFC 8037.
type algorithm struct {
	name string
	hash crypto.Hash // 0 for Ed25519, which hashes for itself
	pss  bool
}

// algorithmOf returns the algorithm with that name, or the usual one of the key.
func algorithmOf(key crypto.Signer, name string) (algorithm, error) {
	if isNil(key) {
		return algorithm{}, errors.New("oauth: MintConfig.Key is nil")
	}
	public := pubkey.Of(key)
	if err := pubkey.Check(public); err != nil {
		return algorithm{}, fmt.Errorf("oauth: MintConfig.Key: %w", err)
	}
	var fit []algorithm
	switch public := public.(type) {
	case *rsa.PublicKey:
		for i, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			bits := []string{"256", "384", "512"}[i]
			fit = append(fit, algorithm{"RS" + bits, h, false}, algorithm{"PS" + bits, h, true})
		}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			fit = []algorithm{{"ES256", crypto.SHA256, false}}
		case elliptic.P384():
			fit = []algorithm{{"ES384", crypto.SHA384, false}}
		case elliptic.P521():
			fit = []algorithm{{"ES512", crypto.SHA512, false}}
		}
	case ed25519.PublicKey:
		fit = []algorithm{{"EdDSA", 0, false}}
	}
	for _, a := range fit {
		if name == "" || a.name == name {
			return a, nil
		}
	}
	return algorithm{}, fmt.Errorf("oauth: MintConfig.Algorithm is %q: does not go with the key", name)
}
