package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/auth"
)

// sealKeySize is that of AES-256.
const sealKeySize = 32

// sealer encrypts records. Each has a random nonce of its own, so one key is good
// for 2³² of them.
type sealer struct{ aead cipher.AEAD }

// newSealer returns nil without an error for no key.
func newSealer(key auth.Secret) (*sealer, error) {
	if key.IsZero() {
		return nil, nil // no key, no sealer
	}
	raw := []byte(key.Reveal())
	if len(raw) != sealKeySize {
		return nil, fmt.Errorf("oauth: FileStoreConfig.SealKey has %d bytes: must have %d", len(raw), sealKeySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("oauth: FileStoreConfig.SealKey: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("oauth: FileStoreConfig.SealKey: %w", err)
	}
	return &sealer{aead}, nil
}

// close seals data. It can only be opened for the same key of the store.
func (s *sealer) close(key string, data []byte) []byte {
	return s.aead.Seal(nil, nil, data, []byte(key)) // #nosec G407 -- the nonce is random, see above
}

// open returns what was sealed for the key of the store.
func (s *sealer) open(key string, data []byte) ([]byte, error) {
	plaintext, err := s.aead.Open(nil, nil, data, []byte(key))
	if err != nil {
		return nil, errors.New("it was not sealed with this key, or has been changed")
	}
	return plaintext, nil
}
