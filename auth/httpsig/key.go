package httpsig

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // registers the hash functions of the table below
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// Algorithm is the name of a signature algorithm (RFC 9421, section 3.3).
type Algorithm string

// The algorithms of RFC 9421.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	RSAPSS     Algorithm = "rsa-pss-sha512"
	RSAv15     Algorithm = "rsa-v1_5-sha256"
	ECDSAP256  Algorithm = "ecdsa-p256-sha256"
	ECDSAP384  Algorithm = "ecdsa-p384-sha384"
	Ed25519    Algorithm = "ed25519"
)

// minSecret is the least number of bytes of a secret: as many as the hash gives
// (RFC 2104, section 3).
const minSecret = sha256.Size

// hash returns the hash function of the algorithm; 0 for Ed25519, which hashes
// for itself.
func (a Algorithm) hash() crypto.Hash {
	switch a {
	case RSAPSS:
		return crypto.SHA512
	case ECDSAP384:
		return crypto.SHA384
	case HMACSHA256, RSAv15, ECDSAP256:
		return crypto.SHA256
	}
	return 0
}

// fits reports whether the algorithm goes with a key of this type.
func (a Algorithm) fits(key any) bool {
	switch key := key.(type) {
	case auth.Secret:
		return a == HMACSHA256 && len(key.Reveal()) >= minSecret
	case *rsa.PublicKey:
		return a == RSAPSS || a == RSAv15
	case *ecdsa.PublicKey:
		return a == ECDSAP256 && key.Curve == elliptic.P256() || a == ECDSAP384 && key.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return a == Ed25519
	}
	return false
}

// Key is what a signature is verified with. Each key goes with one algorithm: a
// message does not choose. It never prints a secret. The zero value verifies
// nothing; make one with [PublicKey] or [SecretKey].
type Key struct {
	alg Algorithm
	key any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or auth.Secret
}

// PublicKey returns a key to verify with. RSA keys must have 2048 to 8192 bits;
// weak keys of any type are refused. The caller must not change it afterwards.
func PublicKey(alg Algorithm, public crypto.PublicKey) (Key, error) {
	if err := pubkey.Check(public); err != nil {
		return Key{}, fmt.Errorf("httpsig: %w", err)
	}
	if !alg.fits(public) {
		return Key{}, fmt.Errorf("httpsig: a %T does not go with algorithm %q", public, alg)
	}
	return Key{alg: alg, key: public}, nil
}

// SecretKey returns a key to verify an HMAC with. The secret must have at least
// 32 bytes.
func SecretKey(secret auth.Secret) (Key, error) {
	if n := len(secret.Reveal()); n < minSecret {
		return Key{}, fmt.Errorf("httpsig: a secret must have at least %d bytes, got %d", minSecret, n)
	}
	return Key{alg: HMACSHA256, key: secret}, nil
}

// Format writes the algorithm, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "httpsig.Key(%s)", k.alg)
}

// LogValue is what package slog logs: the algorithm.
func (k Key) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// KeyFunc returns the keys with an id. Two keys may be active under one id, as
// in a rotation; at most eight are tried. No key and a nil error mean that
// there is no such id: the signature is compared with that of a secret nobody
// has, and refused like one that does not match. So where all keys are secrets
// the time taken does not tell which ids there are. An error means that nobody
// can tell. It must be safe for concurrent use.
type KeyFunc func(ctx context.Context, id string) ([]Key, error)

// Keys returns a KeyFunc of a fixed list, which it copies.
func Keys(byID map[string][]Key) KeyFunc {
	keys := make(map[string][]Key, len(byID))
	for id, list := range byID {
		keys[id] = slices.Clone(list)
	}
	return func(_ context.Context, id string) ([]Key, error) { return keys[id], nil }
}

// maxTried is how many keys are tried for one signature.
const maxTried = 8

// dummy is what a signature is compared with when there is no key.
var dummy = Key{alg: HMACSHA256, key: auth.NewSecret(string(make([]byte, minSecret)))}

// anyVerifies tries the keys. With none it does the work of one and reports
// false.
func anyVerifies(keys []Key, base, signature []byte) bool {
	if len(keys) == 0 {
		dummy.verifies(base, signature)
		return false
	}
	good := false
	for _, k := range keys[:min(len(keys), maxTried)] {
		good = k.verifies(base, signature) || good
	}
	return good
}

func (k Key) verifies(base, signature []byte) bool {
	digest, hash := base, k.alg.hash()
	if _, ok := k.key.(auth.Secret); !ok && hash != 0 {
		h := hash.New()
		h.Write(base)
		digest = h.Sum(nil)
	}
	switch key := k.key.(type) {
	case auth.Secret:
		return hmac.Equal(mac(key, base), signature)
	case *rsa.PublicKey:
		if k.alg == RSAv15 {
			return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
		}
		return rsa.VerifyPSS(key, hash, digest, signature, pssOptions) == nil
	case *ecdsa.PublicKey:
		return pubkey.VerifyFixedLength(key, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, base, signature)
	}
	return false
}

// pssOptions are those of rsa-pss-sha512: a salt of 64 bytes (RFC 9421, section
// 3.3.1).
var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}

func mac(secret auth.Secret, data []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write(data)
	return h.Sum(nil)
}

// signingKey signs with one algorithm.
type signingKey struct {
	alg    Algorithm
	signer crypto.Signer
	secret auth.Secret
}

// newSigningKey takes a signer or a secret.
func newSigningKey(signer crypto.Signer, secret auth.Secret, alg Algorithm) (signingKey, error) {
	switch {
	case (signer == nil) == secret.IsZero():
		return signingKey{}, errors.New("httpsig: Config must have either a Key or a Secret")
	case signer == nil:
		if alg != "" && alg != HMACSHA256 {
			return signingKey{}, fmt.Errorf("httpsig: a secret does not go with algorithm %q", alg)
		}
		_, err := SecretKey(secret)
		return signingKey{alg: HMACSHA256, secret: secret}, err
	}
	public := pubkey.Of(signer)
	for _, usual := range []Algorithm{RSAPSS, ECDSAP256, ECDSAP384, Ed25519} {
		if alg == "" && usual.fits(public) {
			alg = usual
		}
	}
	_, err := PublicKey(alg, public)
	return signingKey{alg: alg, signer: signer}, err
}

func (k signingKey) sign(base []byte) ([]byte, error) {
	if k.signer == nil {
		return mac(k.secret, base), nil
	}
	return pubkey.Sign(k.signer, k.alg.hash(), k.alg == RSAPSS, base)
}
