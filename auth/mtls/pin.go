package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrPin is what errors.Is finds in the error of a request whose server has none
// of the pinned keys in its chain. Nothing of the request was sent.
var ErrPin = errors.New("mtls: the chain of the server has no pinned key")

const pinPrefix = "sha256/"

// Pin returns the pin of a certificate's public key: "sha256/" and the SHA-256 of
// its SubjectPublicKeyInfo in base64 (RFC 7469, section 2.4). It stays the same
// when the certificate is renewed with the same key.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return pinPrefix + base64.StdEncoding.EncodeToString(sum[:])
}

// checkPins refuses what is no pin, and a single pin: the day on which its key
// is lost or stolen, no client gets through any more.
func checkPins(pins []string) (map[string]bool, error) {
	set := make(map[string]bool, len(pins))
	var errs []error
	for i, p := range pins {
		sum, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(p, pinPrefix))
		if err != nil || len(sum) != sha256.Size || !strings.HasPrefix(p, pinPrefix) {
			errs = append(errs, fmt.Errorf("mtls: Config.Pins[%d] is not sha256/ and 32 bytes in base64", i))
		}
		set[p] = true
	}
	if len(set) == 1 {
		errs = append(errs, errors.New("mtls: Config.Pins has one pin only: a second, of a key that is kept in reserve, must be there"))
	}
	return set, errors.Join(errs...)
}

// verifyPins returns a VerifyConnection that asks for one of the pins in a chain
// that was verified. Unlike VerifyPeerCertificate it is called for resumed
// sessions too.
func verifyPins(pins map[string]bool, before func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	if len(pins) == 0 {
		return before
	}
	return func(state tls.ConnectionState) error {
		if before != nil {
			if err := before(state); err != nil {
				return err
			}
		}
		for _, chain := range state.VerifiedChains {
			for _, c := range chain {
				if pins[Pin(c)] {
					return nil
				}
			}
		}
		return ErrPin
	}
}
