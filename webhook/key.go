package webhook

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// Key is what signatures are checked with: a secret that the provider shares
// with us, or its public key.
type Key struct {
	// ID names the key in Verified.KeyID, so that one can see when an old key is
	// not used any more. Empty means its place in Config.Keys, "1" for the
	// first.
	ID string

	// Secret is the key as the provider shows it: a secret in the scheme's
	// KeyFormat, or a public key as PEM (a public key or a certificate), as
	// base64 of its DER form, or, for Ed25519, as 32 bytes in hexadecimal or
	// base64, or with the prefix "whpk_" of Standard Webhooks.
	Secret Secret

	// Public is the public key, in place of Secret: an ed25519.PublicKey, an
	// *ecdsa.PublicKey or an *rsa.PublicKey.
	Public any
}

// Keys returns a Key for each text. While a secret is being replaced, name both:
// the new one first.
func Keys(texts ...string) []Key {
	keys := make([]Key, len(texts))
	for i, text := range texts {
		keys[i].Secret = NewSecret(text)
	}
	return keys
}

// A key is a Key that was parsed.
type key struct {
	id     string
	secret func() []byte // of HMAC and Token; fmt finds its way through pointers
	public any
}

func hidden(secret []byte) func() []byte { return func() []byte { return secret } }

// suits reports whether signatures of the algorithm are checked with k.
func (k *key) suits(a Algorithm) bool {
	switch k.public.(type) {
	case nil:
		return a.secret()
	case ed25519.PublicKey:
		return a == Ed25519
	case *ecdsa.PublicKey:
		return a == ECDSA
	case *rsa.PublicKey:
		return a == RSA
	}
	return false
}

// parseKeys parses all keys of a scheme, which come from a field of a Config or a
// func. The error joins one for each.
func parseKeys(s *Scheme, field string, keys []Key, shortSecrets bool) ([]*key, error) {
	var errs []error
	parsed := make([]*key, 0, len(keys))
	seen := make(map[string]bool, len(keys))
	for i, k := range keys {
		p, err := parseKey(s, k, shortSecrets)
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook: %s[%d]: %w", field, i, err))
			continue
		}
		p.id = k.ID
		if p.id == "" {
			p.id = strconv.Itoa(i + 1)
		}
		if seen[p.id] {
			errs = append(errs, fmt.Errorf("webhook: %s[%d].ID is that of another key", field, i))
		}
		seen[p.id] = true
		parsed = append(parsed, p)
	}
	return parsed, errors.Join(errs...)
}

func parseKey(s *Scheme, k Key, shortSecrets bool) (*key, error) {
	p := &key{public: k.Public}
	text := k.Secret.Reveal()
	switch {
	case k.Public != nil && text != "":
		return nil, errors.New("has both a Secret and a Public key")
	case k.Public == nil && text == "":
		return nil, errors.New("is empty")
	case k.Public == nil && wantsSecret(s, text):
		secret, err := parseSecret(text, s.KeyFormat)
		if err != nil {
			return nil, err
		}
		least := s.MinSecret
		if least == 0 {
			least = defaultMinSecret
		}
		if len(secret) < least && !shortSecrets {
			return nil, fmt.Errorf("has %d bytes: at least %d are needed, or DangerouslyShortSecrets", len(secret), least)
		}
		p.secret = hidden(secret)
	case k.Public == nil:
		public, err := parsePublicKey(text)
		if err != nil {
			return nil, err
		}
		p.public = public
	}
	if err := checkPublicKey(p.public); err != nil {
		return nil, err
	}
	for _, v := range s.Versions {
		if p.suits(v.Algorithm) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("is of no kind that scheme %s uses", s.Name)
}

// wantsSecret reports whether a key's text is a secret, and not a public key.
func wantsSecret(s *Scheme, text string) bool {
	var secret, public bool
	for _, v := range s.Versions {
		secret = secret || v.Algorithm.secret()
		public = public || !v.Algorithm.secret()
	}
	if secret && public {
		return !strings.HasPrefix(text, "whpk_") && !strings.HasPrefix(text, "-----BEGIN ")
	}
	return secret
}

func parseSecret(text string, format KeyFormat) ([]byte, error) {
	switch {
	case strings.TrimSpace(text) != text:
		return nil, errors.New("has a blank or a line break at an end")
	case strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError }) >= 0:
		return nil, errors.New("has a control character in it, or is not UTF-8")
	case strings.HasPrefix(text, "v1,") || strings.HasPrefix(text, "v1a,"):
		return nil, errors.New(`begins with the version of a signature: a secret begins with "whsec_"`)
	case strings.HasPrefix(text, "whsk_") || strings.HasPrefix(text, "whpk_"):
		return nil, errors.New("is an asymmetric key of Standard Webhooks, not a secret; the private one is for senders only")
	}
	switch format {
	case HexKey:
		secret, err := hex.DecodeString(text)
		if err != nil {
			return nil, errors.New("is not hexadecimal")
		}
		return secret, nil
	case StandardKey:
		return parseStandard(strings.TrimPrefix(text, "whsec_"))
	case StandardOrVerbatim:
		if rest, ok := strings.CutPrefix(text, "whsec_"); ok {
			return parseStandard(rest)
		}
	}
	return []byte(text), nil
}

func parseStandard(text string) ([]byte, error) {
	secret, err := canonicalBase64(text)
	switch {
	case err != nil:
		return nil, errors.New(`is not "whsec_" and base64 in its canonical form`)
	case strings.HasPrefix(string(secret), "whsec_"):
		return nil, errors.New(`was encoded twice: its base64 decodes to another "whsec_"`)
	}
	return secret, nil
}

// canonicalBase64 accepts the one text that encoding gives, and no other.
func canonicalBase64(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(b) != text {
		return nil, errors.New("not canonical base64")
	}
	return b, nil
}

func parsePublicKey(text string) (any, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		switch block.Type {
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, errors.New("is not a certificate")
			}
			return c.PublicKey, nil
		case "PUBLIC KEY":
			return parseDER(block.Bytes)
		}
		return nil, errors.New("is PEM, but neither a public key nor a certificate")
	}
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == ed25519.PublicKeySize {
		return ed25519.PublicKey(raw), nil
	}
	raw, err := canonicalBase64(strings.TrimPrefix(text, "whpk_"))
	if err != nil {
		return nil, errors.New("is not a public key: neither PEM nor base64, nor 32 bytes in hexadecimal")
	}
	if len(raw) == ed25519.PublicKeySize {
		return ed25519.PublicKey(raw), nil
	}
	return parseDER(raw)
}

func parseDER(der []byte) (any, error) {
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("is not a public key in DER form")
	}
	return k, nil
}

// checkPublicKey refuses keys that are weak, or of no use here.
func checkPublicKey(public any) error {
	if public == nil {
		return nil
	}
	if err := pubkey.Check(public); err != nil {
		return fmt.Errorf("is no key to believe: %w", err)
	}
	if k, ok := public.(*ecdsa.PublicKey); ok && k.Curve != elliptic.P256() {
		return errors.New("is not a key on the curve P-256")
	}
	return nil
}
