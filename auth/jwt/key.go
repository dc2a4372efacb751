package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// Key is what a signature is verified with: a public key, or the secret of an
// HMAC. It is immutable and never prints a secret. The zero value verifies
// nothing; make one with [PublicKey] or [SecretKey], or many with
// [ParseKeySet].
type Key struct {
	id  string
	alg Algorithm // "" means each that fits
	key any       // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or auth.Secret
}

// PublicKey returns a key to verify with. The id is what the header member
// "kid" says. An empty alg admits each algorithm that goes with the key; it
// is better to name the one that is used.
//
// The public key must be an *rsa.PublicKey of 2048 to 8192 bits, an
// *ecdsa.PublicKey on P-256, P-384 or P-521, or an ed25519.PublicKey. Weak keys
// are refused: an even or tiny RSA exponent, a point that is not on its curve,
// an Ed25519 point of small order. The caller must not change it afterwards.
func PublicKey(id string, alg Algorithm, public crypto.PublicKey) (Key, error) {
	switch public.(type) {
	case []byte, auth.Secret:
		return Key{}, errors.New("jwt: a secret is no public key: use SecretKey")
	}
	if err := pubkey.Check(public); err != nil {
		return Key{}, fmt.Errorf("jwt: key %q: %w", id, err)
	}
	return newKey(id, alg, public)
}

// SecretKey returns a key to verify an HMAC with. The secret must have at least
// as many bytes as the hash gives: 32 for HS256, 48 for HS384, 64 for HS512 (RFC
// 7518, section 3.2). What looks like a PEM block is refused: it is a public
// key, or a private one, that was meant for another algorithm.
func SecretKey(id string, alg Algorithm, secret auth.Secret) (Key, error) {
	if strings.Contains(secret.Reveal(), "-----BEGIN ") {
		return Key{}, fmt.Errorf("jwt: key %q: a PEM block is no secret for an HMAC", id)
	}
	return newKey(id, alg, secret)
}

func newKey(id string, alg Algorithm, key any) (Key, error) {
	switch {
	case len(id) > maxKeyID:
		return Key{}, fmt.Errorf("jwt: a key id must have at most %d bytes, got %d", maxKeyID, len(id))
	case alg != "" && !alg.known():
		return Key{}, fmt.Errorf("jwt: key %q: unknown algorithm %q", id, alg)
	case alg != "" && !alg.fits(key), alg == "" && defaultAlgorithm(key) == "":
		return Key{}, fmt.Errorf("jwt: key %q: %s does not go with algorithm %q", id, describe(key), alg)
	}
	return Key{id: id, alg: alg, key: key}, nil
}

// ID returns the key's id, "" if it has none.
func (k Key) ID() string { return k.id }

// suits reports whether the key may have made a signature with alg.
func (k Key) suits(alg Algorithm) bool {
	return (k.alg == "" || k.alg == alg) && alg.fits(k.key)
}

// Format writes the id and the type of the key, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "jwt.Key(%q, %s)", k.id, describe(k.key))
}

// LogValue is what package slog logs: the id and the type of the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

func describe(key any) string {
	switch key := key.(type) {
	case auth.Secret:
		return fmt.Sprintf("secret of %d bytes", len(key.Reveal()))
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA key of %d bits", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC key on " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519 key"
	}
	return fmt.Sprintf("%T", key)
}

// KeySource finds the keys that may have made a signature. [KeySet] and [*JWKS]
// are two. An implementation must be safe for concurrent use.
type KeySource interface {
	// Keys returns the keys with this id, or the keys that are worth a try when
	// the token has no id and kid is empty. Keys that do not go with alg may be
	// among them; they are passed over. No key and a nil error mean that the
	// token is refused. An error means that nobody can tell: the
	// verification ends with it, wrapped in a [KeysError].
	Keys(ctx context.Context, kid string, alg Algorithm) ([]Key, error)
}

// KeySet is a fixed list of keys. Several may have the same id, as in a
// rotation.
type KeySet []Key

// Keys returns the keys with this id, or all of them when kid is empty. The
// error is always nil.
func (s KeySet) Keys(_ context.Context, kid string, _ Algorithm) ([]Key, error) {
	return s.find(kid), nil
}

func (s KeySet) find(kid string) []Key {
	if kid == "" {
		return s
	}
	var found []Key
	for _, k := range s {
		if k.id == kid {
			found = append(found, k)
		}
	}
	return found
}
