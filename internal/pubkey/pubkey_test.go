package pubkey_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pubkey"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	good := ed25519.NewKeyFromSeed(make([]byte, 32)).Public()
	for _, k := range []crypto.PublicKey{&key.PublicKey, &ec.PublicKey, good} {
		require.NoError(t, pubkey.Check(k))
	}
	notReduced := append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 31)...)
	for name, k := range map[string]crypto.PublicKey{
		"nil":                 nil,
		"secret":              []byte("secret"),
		"small":               &rsa.PublicKey{N: new(big.Int).Rsh(key.N, 1), E: key.E},
		"large":               &rsa.PublicKey{N: new(big.Int).Lsh(key.N, pubkey.MaxRSABits), E: key.E},
		"even":                &rsa.PublicKey{N: new(big.Int).Sub(key.N, big.NewInt(1)), E: key.E},
		"exponent 1":          &rsa.PublicKey{N: key.N, E: 1},
		"empty RSA":           &rsa.PublicKey{},
		"empty EC":            &ecdsa.PublicKey{},
		"off the curve":       &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, //nolint:staticcheck // a point that no parser would make
		"short":               ed25519.PublicKey("short"),
		"not reduced":         ed25519.PublicKey(notReduced),
		"not reduced, signed": ed25519.PublicKey(append(notReduced[:31:31], 0x7f)),
	} {
		require.Error(t, pubkey.Check(k), name)
	}
}

// With a key of small order one signature is good for many messages, and the
// standard library accepts it.
func TestSmallOrderKeysVerifyAnything(t *testing.T) {
	t.Parallel()
	neutral := append([]byte{1}, make([]byte, 31)...)
	signature := append(append([]byte(nil), neutral...), make([]byte, 32)...)
	for _, y := range pubkey.SmallOrder {
		key := ed25519.PublicKey(y)
		accepted := false
		for i := range 200 {
			accepted = accepted || ed25519.Verify(key, fmt.Append(nil, "message ", i), signature)
		}
		require.True(t, accepted, "%x is not of small order", y)
		require.ErrorContains(t, pubkey.Check(key), "small order")
	}
}

func TestFixedLength(t *testing.T) {
	t.Parallel()
	digest := make([]byte, 32)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		der, err := ecdsa.SignASN1(rand.Reader, key, digest)
		require.NoError(t, err)
		signature, err := pubkey.FixedLength(der, &key.PublicKey)
		require.NoError(t, err)
		require.True(t, pubkey.VerifyFixedLength(&key.PublicKey, digest, signature))
		require.False(t, pubkey.VerifyFixedLength(&key.PublicKey, digest, der))
		require.False(t, pubkey.VerifyFixedLength(&key.PublicKey, digest, make([]byte, len(signature))))
		require.False(t, pubkey.VerifyFixedLength(&key.PublicKey, digest, append(signature, 0)))
		signature[0] ^= 1
		require.False(t, pubkey.VerifyFixedLength(&key.PublicKey, digest, signature))
		_, err = pubkey.FixedLength(append(der, 0), &key.PublicKey)
		require.Error(t, err)
	}
}
