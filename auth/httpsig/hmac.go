package httpsig

import (
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Parts are what a canonical form is made of. None has a line end.
type Parts struct {
	// Method is in the spelling that is sent, usually capitals.
	Method string
	// Host is in lower case and without the default port.
	Host string
	// Path is escaped as it is sent, and begins with a slash.
	Path string
	// Query is as it is sent, without the question mark.
	Query string
	// BodyHash is the SHA-256 of the body in lower-case hexadecimal digits, that
	// of no bytes if there is no body.
	BodyHash string
	// Timestamp is the number of seconds since 1970.
	Timestamp string
	// Nonce is a text that is not used again; "" if Fields has no Nonce.
	Nonce string
	// KeyID is the id of the secret; "" if Fields has no KeyID.
	KeyID string
}

// Lines is the canonical form that is used unless a Form is set: method, host,
// path, query, hash of the body, timestamp and nonce, in this order, joined by
// line feeds. With the host in it, the signature is of no use elsewhere.
func Lines(p Parts) string {
	return strings.Join([]string{p.Method, p.Host, p.Path, p.Query, p.BodyHash, p.Timestamp, p.Nonce}, "\n")
}

// Fields are the names of the header fields that an HMAC travels in.
type Fields struct {
	// KeyID and Nonce may be empty: then they are not sent.
	KeyID, Nonce string
	// Timestamp and Signature must be set.
	Timestamp, Signature string
}

// DefaultFields returns the names that are used unless others are set.
func DefaultFields() Fields {
	return Fields{KeyID: "X-Key-Id", Timestamp: "X-Timestamp", Nonce: "X-Nonce", Signature: "X-Signature"}
}

// Scheme is what the two sides of an HMAC must agree on. The zero value is a
// good one for two services of one house; set the fields to speak with an API
// that has its own.
type Scheme struct {
	// Form makes the text that is signed. It must put in all that matters, and
	// must give different texts for different Parts; Path and Query come from
	// strangers. nil means [Lines].
	Form func(Parts) string

	// Fields are where the parts go that the other side cannot know. The zero
	// value means [DefaultFields].
	Fields Fields

	// Encode turns the 32 bytes of the HMAC into the value of its field, a
	// prefix included. nil means lower-case hexadecimal digits.
	Encode func(mac []byte) string
}

// complete fills in the defaults and checks the rest.
func (s Scheme) complete() (Scheme, error) {
	if s.Form == nil {
		s.Form = Lines
	}
	if s.Encode == nil {
		s.Encode = hex.EncodeToString
	}
	if s.Fields == (Fields{}) {
		s.Fields = DefaultFields()
	}
	f := s.Fields
	if f.Timestamp == "" || f.Signature == "" {
		return s, errors.New("httpsig: Scheme.Fields must name Timestamp and Signature")
	}
	for _, name := range []string{f.KeyID, f.Nonce, f.Timestamp, f.Signature} {
		if !isFieldName(strings.ToLower(name)) {
			return s, fmt.Errorf("httpsig: Scheme.Fields has %q, which is not a field name", name)
		}
	}
	return s, nil
}

// parts returns what is known of a request without its header.
func (m *message) parts(bodySum []byte) (Parts, error) {
	host, err := m.authority()
	path, query, _ := strings.Cut(m.target, "?")
	return Parts{Method: m.method, Host: host, Path: path, Query: query, BodyHash: hex.EncodeToString(bodySum)}, err
}

// HMACConfig says how an [HMAC] signs. Secret must be set.
type HMACConfig struct {
	// Secret is the key: at least 32 bytes.
	Secret auth.Secret

	// KeyID is sent as the id of the secret: printable ASCII. It may be empty
	// only if Scheme.Fields has no KeyID.
	KeyID string

	// Scheme is what the server expects.
	Scheme Scheme

	// MaxBody is how many bytes are kept of a body that has no GetBody, to hash
	// it. A longer one is refused. 0 means [DefaultMaxBody].
	MaxBody int64
}

// HMAC signs requests with a secret and a canonical form of one's own choice,
// for APIs that do not know RFC 9421. It is immutable and safe for concurrent
// use. It never prints its secret.
type HMAC struct {
	secret  auth.Secret
	keyID   string
	scheme  Scheme
	maxBody int64
}

// NewHMAC checks c and makes an HMAC of it. Its error joins one error for each
// value that is wrong.
func NewHMAC(c HMACConfig) (*HMAC, error) {
	_, err := SecretKey(c.Secret)
	errs := []error{err}
	scheme, err := c.Scheme.complete()
	errs = append(errs, err)
	if !isPrintable(c.KeyID) || (c.KeyID == "") != (scheme.Fields.KeyID == "") {
		errs = append(errs, errors.New("httpsig: HMACConfig.KeyID must be printable ASCII, and be there if Scheme.Fields has a KeyID"))
	}
	if c.MaxBody < 0 {
		errs = append(errs, errors.New("httpsig: HMACConfig.MaxBody is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	return &HMAC{secret: c.Secret, keyID: c.KeyID, scheme: scheme, maxBody: c.MaxBody}, nil
}

// Wrap returns a RoundTripper that signs each request that goes through it, a
// copy of it and anew each time. What [Signer.Wrap] says of bodies, errors and
// redirects holds here too; the body is always hashed. A nil next means
// http.DefaultTransport.
func (h *HMAC) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{next: httpx.Base(next), maxBody: h.maxBody, hash: crypto.SHA256, sign: h.sign}
}

func (h *HMAC) sign(req *http.Request, digest []byte) error {
	m, err := outgoing(req)
	if err != nil {
		return err
	}
	p, err := m.parts(digest)
	if err != nil {
		return err
	}
	f := h.scheme.Fields
	p.Timestamp, p.KeyID = strconv.FormatInt(time.Now().Unix(), 10), h.keyID
	req.Header.Set(f.Timestamp, p.Timestamp)
	if f.KeyID != "" {
		req.Header.Set(f.KeyID, p.KeyID)
	}
	if f.Nonce != "" {
		p.Nonce = rand.Text()
		req.Header.Set(f.Nonce, p.Nonce)
	}
	req.Header.Set(f.Signature, h.scheme.Encode(mac(h.secret, []byte(h.scheme.Form(p)))))
	return nil
}

// Format writes the id of the key, whatever the verb.
func (h HMAC) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(s, "httpsig.HMAC(%q)", h.keyID)
}
