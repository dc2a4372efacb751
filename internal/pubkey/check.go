package pubkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// The bounds of keys. An RSA key below the first is too weak (RFC 7518, section
// 3.3). Beyond the second a signature costs more to verify than a stranger may
// ask for.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// Of returns the public key of a signer, or nil if the signer is an empty one of
// the standard library, whose Public would panic.
func Of(signer crypto.Signer) crypto.PublicKey {
	var empty bool
	switch key := signer.(type) {
	case *rsa.PrivateKey:
		empty = key == nil
	case *ecdsa.PrivateKey:
		empty = key == nil
	case ed25519.PrivateKey:
		empty = len(key) != ed25519.PrivateKeySize
	}
	if empty {
		return nil
	}
	return signer.Public()
}

// Check refuses keys of other types and weak ones.
func Check(key crypto.PublicKey) error {
	switch key := key.(type) {
	case nil:
		return errors.New("the key is empty")
	case *rsa.PublicKey:
		return checkRSA(key)
	case *ecdsa.PublicKey:
		if key == nil || key.Curve == nil {
			return errors.New("the EC key is empty")
		}
		if _, err := key.ECDH(); err != nil {
			return errors.New("the EC key is no point of a curve that is in use")
		}
		return nil
	case ed25519.PublicKey:
		return checkEd25519(key)
	}
	return fmt.Errorf("a %T cannot verify", key)
}

func checkRSA(key *rsa.PublicKey) error {
	switch {
	case key == nil || key.N == nil:
		return errors.New("the RSA key is empty")
	case key.N.BitLen() < MinRSABits || key.N.BitLen() > MaxRSABits:
		return fmt.Errorf("an RSA key must have %d to %d bits, got %d", MinRSABits, MaxRSABits, key.N.BitLen())
	case key.N.Bit(0) == 0:
		return errors.New("the RSA modulus is even")
	case key.E < 3 || key.E%2 == 0 || int64(key.E) > 1<<31-1:
		return errors.New("the RSA exponent must be odd and from 3 to 2³¹-1")
	}
	return nil
}

// smallOrder has the y coordinates of the eight points of Ed25519 whose order
// divides the cofactor. With such a key one signature is good for many
// messages.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}

func checkEd25519(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 key has %d bytes, got %d", ed25519.PublicKeySize, len(key))
	}
	y := slices.Clone([]byte(key))
	y[31] &= 0x7f // the sign of x
	if notReduced(y) {
		return errors.New("the Ed25519 key is not in its canonical form")
	}
	if slices.Contains(smallOrder, hex.EncodeToString(y)) {
		return errors.New("the Ed25519 key is a point of small order")
	}
	return nil
}

// notReduced reports whether y, least byte first, is 2²⁵⁵-19 or more (RFC 8032,
// section 5.1.3, step 1).
func notReduced(y []byte) bool {
	if y[31] != 0x7f || y[0] < 0xed {
		return false
	}
	for _, b := range y[1:31] {
		if b != 0xff {
			return false
		}
	}
	return true
}
