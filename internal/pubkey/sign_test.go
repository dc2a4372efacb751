package pubkey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// broken is a signer that does not sign.
type broken struct{ crypto.Signer }

var errBroken = errors.New("broken")

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errBroken }

func TestSign(t *testing.T) {
	t.Parallel()
	input := []byte("input")
	digest := sha256.Sum256(input)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	signature, err := pubkey.Sign(rsaKey, crypto.SHA256, false, input)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, digest[:], signature))
	signature, err = pubkey.Sign(rsaKey, crypto.SHA256, true, input)
	require.NoError(t, err)
	salt := &rsa.PSSOptions{SaltLength: sha256.Size}
	require.NoError(t, rsa.VerifyPSS(&rsaKey.PublicKey, crypto.SHA256, digest[:], signature, salt))

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signature, err = pubkey.Sign(ec, crypto.SHA256, false, input)
	require.NoError(t, err)
	require.Len(t, signature, 64)
	require.True(t, pubkey.VerifyFixedLength(&ec.PublicKey, digest[:], signature))

	ed := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signature, err = pubkey.Sign(ed, 0, false, input)
	require.NoError(t, err)
	require.Equal(t, ed25519.Sign(ed, input), signature)

	_, err = pubkey.Sign(broken{ec}, crypto.SHA256, false, input)
	require.ErrorIs(t, err, errBroken)
}
