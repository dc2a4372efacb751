package pubkey

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
)

// FixedLength turns an ECDSA signature from its ASN.1 form into two numbers of
// the size of the curve, one behind the other (RFC 7518, section 3.4; RFC 9421,
// section 3.3.4).
func FixedLength(der []byte, key *ecdsa.PublicKey) ([]byte, error) {
	var numbers struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &numbers)
	size := (key.Curve.Params().BitSize + 7) / 8
	if err != nil || len(rest) > 0 || !isBelow(numbers.R, size) || !isBelow(numbers.S, size) {
		return nil, errors.New("the signer returned no ECDSA signature")
	}
	return slices.Concat(numbers.R.FillBytes(make([]byte, size)), numbers.S.FillBytes(make([]byte, size))), nil
}

// isBelow reports whether n is positive and fits into size bytes.
func isBelow(n *big.Int, size int) bool { return n.Sign() > 0 && n.BitLen() <= 8*size }

// VerifyFixedLength checks a signature in the form that [FixedLength] gives.
// The key must have passed [Check].
func VerifyFixedLength(key *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return err == nil && ecdsa.VerifyASN1(key, digest, der)
}
