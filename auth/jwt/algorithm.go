package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hash functions of the table below
	_ "crypto/sha512"

	"github.com/holdfast-go/holdfast/auth"
)

// Algorithm is the name of a signature algorithm, as it stands in the header
// member "alg" (RFC 7518, section 3.1, and RFC 8037). "none" is not one.
type Algorithm string

// The algorithms that this package signs with and verifies.
const (
	HS256 Algorithm = "HS256" // HMAC, a secret that both sides know
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
	RS256 Algorithm = "RS256" // RSA with PKCS #1 v1.5
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256" // RSA with PSS
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256" // ECDSA with P-256
	ES384 Algorithm = "ES384" // ECDSA with P-384
	ES512 Algorithm = "ES512" // ECDSA with P-521
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// family is a kind of signature.
type family int

const (
	unknown family = iota
	hmacFamily
	rsaFamily
	pssFamily
	ecdsaFamily
	eddsaFamily
)

// details returns what an algorithm is made of. The family is unknown for a
// name that is none of the constants.
func (a Algorithm) details() (family, crypto.Hash) {
	switch a {
	case HS256:
		return hmacFamily, crypto.SHA256
	case HS384:
		return hmacFamily, crypto.SHA384
	case HS512:
		return hmacFamily, crypto.SHA512
	case RS256:
		return rsaFamily, crypto.SHA256
	case RS384:
		return rsaFamily, crypto.SHA384
	case RS512:
		return rsaFamily, crypto.SHA512
	case PS256:
		return pssFamily, crypto.SHA256
	case PS384:
		return pssFamily, crypto.SHA384
	case PS512:
		return pssFamily, crypto.SHA512
	case ES256:
		return ecdsaFamily, crypto.SHA256
	case ES384:
		return ecdsaFamily, crypto.SHA384
	case ES512:
		return ecdsaFamily, crypto.SHA512
	case EdDSA:
		return eddsaFamily, 0
	}
	return unknown, 0
}

// known reports whether a is one of the constants.
func (a Algorithm) known() bool {
	f, _ := a.details()
	return f != unknown
}

// curve returns the only curve that an ECDSA algorithm goes with (RFC 7518,
// section 3.4).
func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return nil
}

// fits reports whether a goes with a key of this type. It is what keeps a
// public key from being taken for the secret of an HMAC.
func (a Algorithm) fits(key any) bool {
	f, hash := a.details()
	switch key := key.(type) {
	case auth.Secret:
		return f == hmacFamily && len(key.Reveal()) >= hash.Size()
	case *rsa.PublicKey:
		return f == rsaFamily || f == pssFamily
	case *ecdsa.PublicKey:
		return f == ecdsaFamily && key.Curve == a.curve()
	case ed25519.PublicKey:
		return f == eddsaFamily
	}
	return false
}

// defaultAlgorithm returns the usual algorithm of a key, or "".
func defaultAlgorithm(key any) Algorithm {
	for _, a := range []Algorithm{HS256, RS256, ES256, ES384, ES512, EdDSA} {
		if a.fits(key) {
			return a
		}
	}
	return ""
}
