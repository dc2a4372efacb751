package sender

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
)

// Endpoint is where messages go, as [Config].Endpoint returns it.
type Endpoint struct {
	// URL is as [Guard.CheckURL] takes it. Its path and query may be secret: no
	// error and no log has more of it than scheme, host and port.
	URL string
	// Keys are those that messages are signed with, see [Rotate]. There are 1 to
	// [MaxKeys].
	Keys []Key
}

// Key is what messages to an endpoint are signed with.
type Key struct {
	// Secret is "whsec_" and the base64 of 24 to 64 bytes, for a signature of the
	// version v1, or "whsk_" and the base64 of an Ed25519 private key of 64
	// bytes, for one of version v1a.
	Secret webhook.Secret
	// Until is when the key is not used any more. Zero means never.
	Until time.Time
}

// MaxKeys is how many keys an endpoint can have at a time.
const MaxKeys = 10

const (
	minSecret = 24
	maxSecret = 64
)

// GenerateSecret returns a new secret of 32 random bytes for Key.Secret.
func GenerateSecret() webhook.Secret {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return webhook.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(raw))
}

// Rotate returns keys with fresh in front, the others to be used for no longer
// than overlap from now on: until then messages are signed with all of them, so
// that the receiver can change its secret at any time in between. What is over
// is left out, and so is the oldest when there would be more than [MaxKeys].
// The result is for whoever stores the endpoint; keys is left as it is.
func Rotate(keys []Key, fresh webhook.Secret, now time.Time, overlap time.Duration) []Key {
	rotated := append(make([]Key, 0, len(keys)+1), Key{Secret: fresh})
	end := now.Add(overlap)
	for _, k := range keys {
		if k.Until.IsZero() || k.Until.After(end) {
			k.Until = end
		}
		if k.Until.After(now) && len(rotated) < MaxKeys {
			rotated = append(rotated, k)
		}
	}
	return rotated
}

// A signer signs what is in the one form of Standard Webhooks.
type signer func(id string, timestamp int64, body []byte) string

// parseKeys returns a signer for each key in use. Its error quotes no key.
func parseKeys(keys []Key, now time.Time) ([]signer, error) {
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("sender: there are %d keys: at most %d are allowed", len(keys), MaxKeys)
	}
	signers := make([]signer, 0, len(keys))
	for i, k := range keys {
		if !k.Until.IsZero() && !k.Until.After(now) {
			continue
		}
		sign, reason := parseKey(k.Secret.Reveal())
		if reason != "" {
			return nil, fmt.Errorf("sender: Keys[%d] %s", i, reason)
		}
		signers = append(signers, sign)
	}
	if len(signers) == 0 {
		return nil, errors.New("sender: there is no key in use")
	}
	return signers, nil
}

func parseKey(text string) (sign signer, reason string) {
	if rest, ok := strings.CutPrefix(text, "whsk_"); ok {
		raw, ok := decode(rest)
		if !ok || len(raw) != ed25519.PrivateKeySize {
			return nil, `is not "whsk_" and the base64 of 64 bytes`
		}
		private := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if !bytes.Equal(private, raw) {
			return nil, "has a public half that is not its own"
		}
		return func(id string, timestamp int64, body []byte) string {
			return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed(id, timestamp, body)))
		}, ""
	}
	rest, ok := strings.CutPrefix(text, "whsec_")
	raw, canonical := decode(rest)
	switch {
	case !ok || !canonical:
		return nil, `is not "whsec_" and base64 in its canonical form`
	case len(raw) < minSecret || len(raw) > maxSecret:
		return nil, fmt.Sprintf("has %d bytes: must have between 24 and 64", len(raw))
	case bytes.HasPrefix(raw, []byte("whsec_")):
		return nil, "was encoded twice"
	}
	return func(id string, timestamp int64, body []byte) string {
		mac := hmac.New(sha256.New, raw)
		mac.Write(signed(id, timestamp, body))
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}, ""
}

// decode accepts the one text that the encoding gives.
func decode(text string) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil && base64.StdEncoding.EncodeToString(raw) == text
}

func signed(id string, timestamp int64, body []byte) []byte {
	b := make([]byte, 0, len(id)+len(body)+22)
	b = append(append(b, id...), '.')
	b = append(strconv.AppendInt(b, timestamp, 10), '.')
	return append(b, body...)
}
