package httpsig

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// The defaults of [Config].
const (
	DefaultLabel    = "sig1"
	DefaultLifetime = 5 * time.Minute
)

// DefaultComponents returns what is signed, and must be, unless a Config says
// otherwise: the method, the host, the path and the query, and the body by its
// Content-Digest.
func DefaultComponents() []string {
	return []string{"@method", "@authority", "@path", "@query", "content-digest"}
}

// Config says how a [Signer] signs. Either Key or Secret must be set. It prints
// neither.
type Config struct {
	// Key signs. It must be safe for concurrent use, as those of the standard
	// library are.
	Key crypto.Signer

	// Secret signs with hmac-sha256 instead: at least 32 bytes.
	Secret auth.Secret

	// Algorithm is the one to sign with. "" means the usual one of the key;
	// that of an RSA key is [RSAPSS].
	Algorithm Algorithm

	// KeyID is the parameter "keyid": printable ASCII. "" leaves it out.
	KeyID string

	// Components are what is signed, in this order: names of fields in lower
	// case and derived components, with the parameters of RFC 9421, such as
	// `@query-param;name="id"`. A request that lacks one is not sent. With
	// "content-digest" the middleware sets that field. At most 64, and a field of
	// which a part is taken must have at most 16 KiB. nil means
	// [DefaultComponents].
	Components []string

	// Label names the signature. "" means [DefaultLabel].
	Label string

	// Tag is the parameter "tag": printable ASCII. "" leaves it out.
	Tag string

	// Lifetime is the time from signing to the parameter "expires".
	// 0 means [DefaultLifetime]; a negative value leaves it out.
	Lifetime time.Duration

	// NoNonce leaves the parameter "nonce" out, which otherwise has 130 random
	// bits.
	NoNonce bool

	// MaxBody is how many bytes are kept of a body that has no GetBody, to
	// make its digest. A longer one is refused. 0 means [DefaultMaxBody].
	MaxBody int64
}

// Format writes the algorithm and the id of the key, whatever the verb. Many a
// Key would print itself, and does so where package fmt calls no method: in an
// unexported field.
func (c Config) Format(w fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(w, "httpsig.Config(%q, %s)", c.KeyID, c.Algorithm)
}

// MarshalText returns what Format writes: for package encoding/json and its like,
// and for log/slog. There is no way back.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// Signer signs requests as RFC 9421 says. It is immutable and safe for
// concurrent use. It never prints a secret.
type Signer struct {
	config     Config // without the keys
	key        signingKey
	components []item
}

// New checks c and makes a Signer of it. Its error joins one error for each
// value that is wrong.
func New(c Config) (*Signer, error) {
	key, err := newSigningKey(c.Key, c.Secret, c.Algorithm)
	errs := []error{err}
	if c.Components == nil {
		c.Components = DefaultComponents()
	}
	components, err := parseComponents(c.Components)
	errs = append(errs, err)
	if len(components) > maxList {
		errs = append(errs, fmt.Errorf("httpsig: Config.Components must have at most %d", maxList))
	}
	if c.Label == "" {
		c.Label = DefaultLabel
	}
	if !isKey(c.Label) {
		errs = append(errs, fmt.Errorf("httpsig: Config.Label %q is not a key of a dictionary", c.Label))
	}
	if !isPrintable(c.KeyID) || !isPrintable(c.Tag) {
		errs = append(errs, errors.New("httpsig: Config.KeyID and Config.Tag must be printable ASCII"))
	}
	if c.MaxBody < 0 {
		errs = append(errs, errors.New("httpsig: Config.MaxBody is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	c.Key, c.Secret, c.Components = nil, auth.Secret{}, nil
	return &Signer{config: c, key: key, components: components}, nil
}

// Wrap returns a RoundTripper that signs each request that goes through it, a
// copy of it and anew each time, with the present time and a nonce of its own.
// So below a retry policy each attempt has a fresh signature. A nil next means
// http.DefaultTransport.
//
// If Content-Digest is signed, a body is read before it is sent: from GetBody if
// there is one, else it is kept in memory, up to Config.MaxBody bytes. Such a
// body does not stream, and does not wait for "100 Continue". A request that
// cannot be signed fails with a [*SignError], and nothing is sent.
//
// What follows a redirect to another scheme, host or port goes out unsigned, and
// so does all that follows from there.
func (s *Signer) Wrap(next http.RoundTripper) http.RoundTripper {
	t := &transport{next: httpx.Base(next), maxBody: s.config.MaxBody, sign: s.sign}
	if s.signsBody() {
		t.hash = crypto.SHA256
	}
	return t
}

func (s *Signer) signsBody() bool {
	return slices.ContainsFunc(s.components, isContentDigest)
}

// isContentDigest reports whether a component is the field Content-Digest of the
// message itself, all of it.
func isContentDigest(c item) bool {
	_, req := c.params.get("req")
	_, key := c.params.get("key")
	return c.value == "content-digest" && !req && !key
}

// sign adds the signature fields to req.
func (s *Signer) sign(req *http.Request, digest []byte) error {
	if digest != nil {
		req.Header.Set("Content-Digest", contentDigest("sha-256", digest))
	}
	m, err := outgoing(req)
	if err != nil {
		return err
	}
	return s.add(m)
}

// SignResponse adds the signature fields to resp, whose Request, if set, must be
// the one that it answers: components with the parameter "req" are taken from
// there. Config.Components must fit a response, for example "@status" and
// "content-digest". If that is among them and resp has no Content-Digest, the
// body is read into memory, up to Config.MaxBody bytes. The error is a
// [*SignError]; the body may have been read then.
func (s *Signer) SignResponse(resp *http.Response) error {
	if resp.Header == nil {
		resp.Header = make(http.Header)
	}
	if s.signsBody() && resp.Header.Get("Content-Digest") == "" {
		body, err := takeBody(&resp.Body, s.config.MaxBody)
		if err != nil {
			return &SignError{Err: err}
		}
		h := crypto.SHA256.New()
		h.Write(body)
		resp.Header.Set("Content-Digest", contentDigest("sha-256", h.Sum(nil)))
	}
	m, err := answer(resp)
	if err == nil {
		err = s.add(m)
	}
	if err != nil {
		return &SignError{Err: err}
	}
	return nil
}

// answer is a response as the signature base sees it.
func answer(resp *http.Response) (*message, error) {
	m := &message{header: resp.Header, status: resp.StatusCode}
	if resp.Request == nil {
		return m, nil
	}
	var err error
	m.request, err = incoming(resp.Request, "")
	return m, err
}

// add makes the signature and adds its two fields. Signatures of others that
// are there already stay.
func (s *Signer) add(m *message) error {
	for _, name := range []string{"Signature-Input", "Signature"} {
		d, err := parseDictionary(strings.Join(m.header.Values(name), ", "))
		if err != nil {
			return fmt.Errorf("the field %s is not a dictionary", name)
		}
		if _, ok := d.get(s.config.Label); ok {
			return fmt.Errorf("the field %s has a signature %q already", name, s.config.Label)
		}
	}
	covered := item{value: s.components, params: s.params(time.Now())}
	base, err := m.base(covered)
	if err != nil {
		return err
	}
	signature, err := s.key.sign(base)
	if err != nil {
		return err
	}
	m.header.Add("Signature-Input", s.config.Label+"="+covered.String())
	m.header.Add("Signature", s.config.Label+"="+bareString(signature))
	return nil
}

// params returns the parameters of a signature (RFC 9421, section 2.3).
func (s *Signer) params(now time.Time) params {
	ps := params{{"created", now.Unix()}}
	if s.config.Lifetime > 0 {
		ps = append(ps, param{"expires", now.Add(s.config.Lifetime).Unix()})
	}
	if s.config.KeyID != "" {
		ps = append(ps, param{"keyid", s.config.KeyID})
	}
	if !s.config.NoNonce {
		ps = append(ps, param{"nonce", rand.Text()})
	}
	if s.config.Tag != "" {
		ps = append(ps, param{"tag", s.config.Tag})
	}
	return ps
}

// Format writes the algorithm and the id of the key, whatever the verb.
func (s Signer) Format(w fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = fmt.Fprintf(w, "httpsig.Signer(%q, %s)", s.config.KeyID, s.key.alg)
}
