package pubkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
)

// Sign signs what the hash function makes of input, or input itself if hash is 0,
// as Ed25519 wants it. An RSA key signs with PSS and a salt as long as the hash if
// pss is set, else with PKCS #1 v1.5. An ECDSA signature has the form of
// [FixedLength]. The hash function must be linked into the program, and the public
// key must have passed [Check].
func Sign(key crypto.Signer, hash crypto.Hash, pss bool, input []byte) ([]byte, error) {
	digest := input
	if hash != 0 {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	var opts crypto.SignerOpts = hash
	if pss {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return nil, err
	}
	if public, ok := key.Public().(*ecdsa.PublicKey); ok {
		return FixedLength(signature, public)
	}
	return signature, nil
}
