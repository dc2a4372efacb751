package pubkey_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pubkey"
)

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
