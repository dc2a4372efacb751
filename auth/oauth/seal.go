package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// sealKeySize is that of AES-256.
const sealKeySize = 32

// sealer encrypts records. Each has a random nonce of its own, so one key is good
// for 2³² of them.
type sealer struct{ aead cipher.AEAD }

// newSealer returns nil without an error for no key.
func newSealer(key []byte) (*sealer, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // no key, no sealer
	}
	if len(key) != sealKeySize {
		return nil, fmt.Errorf("oauth: FileStoreConfig.SealKey has %d bytes: must have %d", len(key), sealKeySize)
	}
	block, err := aes.NewCipher(key)
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
