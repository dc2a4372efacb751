package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// The bounds of a key set. An issuer has a handful of keys; a set beyond these
// is no key set.
const (
	maxSetBytes = 1 << 20
	maxSetKeys  = 100
)

// ParseKeySet reads a JSON Web Key Set (RFC 7517, section 5): at most 1 MiB and
// 100 keys. It returns the public keys that can verify signatures, and the
// number of those that it passed over: secrets and private keys, which have no
// business in a published set, keys for encryption, keys of unknown types, and
// those that are broken or weak. The set as a whole must be JSON, read as
// strictly as a token.
func ParseKeySet(data []byte) (keys KeySet, ignored int, err error) {
	if len(data) > maxSetBytes {
		return nil, 0, fmt.Errorf("jwt: a key set must have at most %d bytes", maxSetBytes)
	}
	members, err := parseObject(data)
	if err != nil {
		return nil, 0, fmt.Errorf("jwt: key set: %w", err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(members["keys"], &raw); err != nil {
		return nil, 0, errors.New(`jwt: key set: "keys" is not a list`)
	}
	if len(raw) > maxSetKeys {
		return nil, 0, fmt.Errorf("jwt: a key set must have at most %d keys, got %d", maxSetKeys, len(raw))
	}
	for _, one := range raw {
		// One key that we cannot read must not cost us the others.
		if k, err := parseKey(one); err == nil {
			keys = append(keys, k)
		} else {
			ignored++
		}
	}
	return keys, ignored, nil
}

// parseKey reads a public key that can verify signatures.
func parseKey(data []byte) (Key, error) {
	members, err := parseObject(data)
	if err != nil {
		return Key{}, err
	}
	if _, private := members["d"]; private {
		return Key{}, errors.New("a private key")
	}
	if err := mayVerify(members); err != nil {
		return Key{}, err
	}
	id, idOK := text(members, "kid")
	alg, algOK := text(members, "alg")
	if !idOK || !algOK {
		return Key{}, errors.New("kid or alg is not a string")
	}
	public, err := parsePublic(members)
	if err != nil {
		return Key{}, err
	}
	return PublicKey(id, Algorithm(alg), public)
}

// mayVerify looks at what the key is for (RFC 7517, sections 4.2 and 4.3).
func mayVerify(members map[string]json.RawMessage) error {
	if use, ok := text(members, "use"); !ok || use != "" && use != "sig" {
		return errors.New("use is not sig")
	}
	raw, ok := members["key_ops"]
	if !ok {
		return nil
	}
	var ops []string
	if err := json.Unmarshal(raw, &ops); err != nil || !slices.Contains(ops, "verify") {
		return errors.New("key_ops has no verify")
	}
	return nil
}

// parsePublic reads the numbers of a key. [PublicKey] checks whether they are a
// good key.
func parsePublic(members map[string]json.RawMessage) (crypto.PublicKey, error) {
	kty, _ := text(members, "kty")
	crv, _ := text(members, "crv")
	switch {
	case kty == "RSA":
		return parseRSA(members)
	case kty == "EC":
		return parseEC(members, crv)
	case kty == "OKP" && crv == "Ed25519":
		x, ok := number(members, "x")
		if !ok {
			return nil, errors.New("x is not base64url")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("unknown type of key")
}

func parseRSA(members map[string]json.RawMessage) (crypto.PublicKey, error) {
	n, nOK := number(members, "n")
	e, eOK := number(members, "e")
	if !nOK || !eOK || len(e) > 4 || len(n) > pubkey.MaxRSABits/8+1 {
		return nil, errors.New("n or e is not a number of its size")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

func parseEC(members map[string]json.RawMessage, crv string) (crypto.PublicKey, error) {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve, ok := curves[crv]
	if !ok {
		return nil, errors.New("unknown curve")
	}
	x, xOK := number(members, "x")
	y, yOK := number(members, "y")
	// Each coordinate has the full size of the field (RFC 7518, section 6.2.1.2),
	// so that the point below has a right length only if both have.
	if size := (curve.Params().BitSize + 7) / 8; !xOK || !yOK || len(x) != size || len(y) != size {
		return nil, errors.New("x or y is not a number of its size")
	}
	const uncompressed = 4
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{uncompressed}, x, y))
}

// number returns a member that is base64url.
func number(members map[string]json.RawMessage, name string) ([]byte, bool) {
	s, ok := text(members, name)
	if !ok || s == "" {
		return nil, false
	}
	return decode(s)
}

// Thumbprint returns the SHA-256 thumbprint of a public key, in base64url (RFC
// 7638). It takes the types that [PublicKey] takes. It serves as a key id, and
// as the "jkt" that a token is bound to.
func Thumbprint(public crypto.PublicKey) (string, error) {
	if err := pubkey.Check(public); err != nil {
		return "", fmt.Errorf("jwt: thumbprint: %w", err)
	}
	// Only the members that make the key, in the order of their names, without
	// white space (section 3).
	var members string
	switch key := public.(type) {
	case *rsa.PublicKey:
		members = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, encode(big.NewInt(int64(key.E)).Bytes()), encode(key.N.Bytes()))
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return "", fmt.Errorf("jwt: thumbprint: %w", err)
		}
		size := len(point) / 2
		members = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, key.Curve.Params().Name, encode(point[1:1+size]), encode(point[1+size:]))
	case ed25519.PublicKey:
		members = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":%q}`, encode(key))
	}
	sum := sha256.Sum256([]byte(members))
	return encode(sum[:]), nil
}
