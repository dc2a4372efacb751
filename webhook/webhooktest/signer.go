package webhooktest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
)

// Config says how a [Signer] signs.
type Config struct {
	// Scheme is how the provider signs. It must be one without a Verify.
	Scheme webhook.Scheme
	// Secret is the secret as the provider shows it. Empty means a new one.
	Secret string
	// Private is the private key of an algorithm that has one: an
	// ed25519.PrivateKey, an *ecdsa.PrivateKey or an *rsa.PrivateKey. nil means
	// a new one.
	Private crypto.Signer
	// Version is the number, in Scheme.Versions, of the version to sign with.
	Version int
	// ID is the ID, for schemes that have it in a header. Empty means
	// "msg_webhooktest".
	ID string
}

// Signer signs requests. It is immutable and safe for concurrent use.
type Signer struct {
	config  Config
	version webhook.Version
	key     webhook.Key
	secret  []byte
}

// New checks c and makes a Signer of it.
func New(c Config) (*Signer, error) {
	if c.Scheme.Verify != nil || c.Version < 0 || c.Version >= len(c.Scheme.Versions) {
		return nil, errors.New("webhooktest: Config.Scheme has no such version, or verifies by itself")
	}
	if c.ID == "" {
		c.ID = "msg_webhooktest"
	}
	s := &Signer{config: c, version: c.Scheme.Versions[c.Version]}
	var err error
	switch s.version.Algorithm {
	case webhook.HMACSHA1, webhook.HMACSHA256, webhook.HMACSHA512, webhook.Token:
		err = s.useSecret()
	case webhook.Ed25519, webhook.ECDSA, webhook.RSA:
		err = s.usePrivate()
	default:
		err = errors.New("webhooktest: the algorithm does not exist")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Key returns what the requests are verified with.
func (s *Signer) Key() webhook.Key { return s.key }

func (s *Signer) useSecret() error {
	text, format := s.config.Secret, s.config.Scheme.KeyFormat
	if text == "" {
		raw := make([]byte, 32)
		if _, err := rand.Read(raw); err != nil {
			return err
		}
		text = hex.EncodeToString(raw)
		if format == webhook.StandardKey || format == webhook.StandardOrVerbatim {
			text = "whsec_" + base64.StdEncoding.EncodeToString(raw)
		}
	}
	s.key = webhook.Key{Secret: webhook.NewSecret(text)}
	bare, prefixed := strings.CutPrefix(text, "whsec_")
	var err error
	switch {
	case format == webhook.HexKey:
		s.secret, err = hex.DecodeString(text)
	case format == webhook.StandardKey, format == webhook.StandardOrVerbatim && prefixed:
		s.secret, err = base64.StdEncoding.DecodeString(bare)
	default:
		s.secret = []byte(text)
	}
	if err != nil {
		return errors.New("webhooktest: Config.Secret is not in the scheme's format")
	}
	return nil
}

func (s *Signer) usePrivate() error {
	var err error
	if s.config.Private == nil {
		switch s.version.Algorithm {
		case webhook.Ed25519:
			_, s.config.Private, err = ed25519.GenerateKey(rand.Reader)
		case webhook.ECDSA:
			s.config.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		default:
			s.config.Private, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err != nil {
			return err
		}
	}
	s.key = webhook.Key{Public: s.config.Private.Public()}
	return nil
}

// Request returns a signed request with the method POST, which can be sent, or
// given to a handler as if it had come by TLS. A form must look like one: a
// body that begins with neither "{" nor "[" is sent as one if the scheme signs
// forms.
func (s *Signer) Request(address string, body []byte, at time.Time) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, address, http.NoBody) //nolint:noctx // its sender gives it a context
	if err != nil {
		return nil, fmt.Errorf("webhooktest: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(s.config.Scheme.Signed, "{form}") && !bytes.HasPrefix(body, []byte("{")) && !bytes.HasPrefix(body, []byte("[")) {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.RemoteAddr = "192.0.2.1:1234"
	if req.URL.Scheme == "https" {
		req.TLS = new(tls.ConnectionState)
	}
	if err := s.Sign(req, body, at); err != nil {
		return nil, err
	}
	return req, nil
}

// Sign signs a request for its URL, with body as its body and at as the time,
// and sets its header and its body. Where the provider puts something into a
// JSON body, such as the signature itself, body is written anew.
func (s *Signer) Sign(req *http.Request, body []byte, at time.Time) error {
	m := &message{signer: s, req: req, body: body, at: at}
	if err := m.sign(); err != nil {
		return err
	}
	body = m.body
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.ContentLength = int64(len(body))
	return nil
}
