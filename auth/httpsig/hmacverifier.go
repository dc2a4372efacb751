package httpsig

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// HMACVerifierConfig says which requests an [HMACVerifier] takes. Keys must be
// set.
type HMACVerifierConfig struct {
	// Keys finds the secrets of an id, "" if Scheme.Fields has no KeyID. Keys
	// that are no secrets are passed over.
	Keys KeyFunc

	// Scheme is the one that the clients sign with.
	Scheme Scheme

	// MaxAge is how old a timestamp may be. 0 means [DefaultMaxAge].
	MaxAge time.Duration

	// Leeway is how far the clocks may differ. 0 means [DefaultLeeway]; a
	// negative value means none.
	Leeway time.Duration

	// Nonce is that of VerifierConfig. It needs Scheme.Fields.Nonce.
	Nonce func(ctx context.Context, keyID, nonce string, until time.Time) error

	// MaxBody is how many bytes a body may have. 0 means [DefaultMaxBody].
	MaxBody int64
}

// HMACVerifier checks requests that an [HMAC] has signed. It is immutable and
// safe for concurrent use.
type HMACVerifier struct {
	config HMACVerifierConfig
}

// NewHMACVerifier checks c and makes an HMACVerifier of it. Its error joins one
// error for each value that is wrong.
func NewHMACVerifier(c HMACVerifierConfig) (*HMACVerifier, error) {
	var errs []error
	if c.Keys == nil {
		errs = append(errs, errors.New("httpsig: HMACVerifierConfig.Keys is nil: must be set"))
	}
	scheme, err := c.Scheme.complete()
	errs = append(errs, err)
	if c.Nonce != nil && scheme.Fields.Nonce == "" {
		errs = append(errs, errors.New("httpsig: HMACVerifierConfig.Nonce is set, but Scheme.Fields has no Nonce"))
	}
	if c.MaxAge < 0 || c.MaxBody < 0 {
		errs = append(errs, errors.New("httpsig: HMACVerifierConfig.MaxAge and MaxBody must not be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Scheme = scheme
	if c.MaxAge == 0 {
		c.MaxAge = DefaultMaxAge
	}
	if c.Leeway == 0 {
		c.Leeway = DefaultLeeway
	}
	c.Leeway = max(c.Leeway, 0)
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	return &HMACVerifier{config: c}, nil
}

// VerifyRequest checks the HMAC of a request that a server got. The body is read
// and put back as a copy. The error is an [*Error] if the message is to blame,
// else that of Config.Keys, wrapped. Of the returned Signature, KeyID, Created
// and Nonce are set.
func (v *HMACVerifier) VerifyRequest(req *http.Request) (*Signature, error) {
	f := v.config.Scheme.Fields
	var p Parts
	var signature string
	for _, one := range []struct {
		name  string
		value *string
	}{{f.Timestamp, &p.Timestamp}, {f.Signature, &signature}, {f.KeyID, &p.KeyID}, {f.Nonce, &p.Nonce}} {
		if one.name == "" {
			continue
		}
		lines := req.Header.Values(one.name)
		if len(lines) == 0 || lines[0] == "" {
			return nil, &Error{Reason: Missing, Detail: one.name}
		}
		if len(lines) > 1 || !isPrintable(lines[0]) || len(lines[0]) > maxFieldBytes {
			return nil, &Error{Reason: Malformed, Detail: one.name}
		}
		*one.value = lines[0]
	}
	created, err := v.checkTime(p.Timestamp, time.Now())
	if err != nil {
		return nil, err
	}
	if err := v.checkMAC(req, p, signature); err != nil {
		return nil, err
	}
	s := &Signature{KeyID: p.KeyID, Created: created, Nonce: p.Nonce}
	if v.config.Nonce != nil {
		until := created.Add(v.config.MaxAge + v.config.Leeway)
		if err := v.config.Nonce(req.Context(), s.KeyID, s.Nonce, until); err != nil {
			return nil, &Error{Reason: Replayed}
		}
	}
	return s, nil
}

// checkTime reads the timestamp: digits only, so that there is one spelling.
func (v *HMACVerifier) checkTime(timestamp string, now time.Time) (time.Time, error) {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 || strconv.FormatInt(seconds, 10) != timestamp {
		return time.Time{}, &Error{Reason: Malformed, Detail: "the timestamp is not a number of seconds"}
	}
	created := time.Unix(seconds, 0)
	switch {
	case created.After(now.Add(v.config.Leeway)):
		return created, &Error{Reason: OutOfTime, Detail: "created in the future"}
	case now.Sub(created) > v.config.MaxAge+v.config.Leeway:
		return created, &Error{Reason: OutOfTime, Detail: "too old"}
	}
	return created, nil
}

// checkMAC compares the signature with that of each secret, and with that of a
// dummy if there is none, so that an unknown id takes the same path.
func (v *HMACVerifier) checkMAC(req *http.Request, p Parts, signature string) error {
	m, err := incoming(req, "")
	if err != nil {
		return &Error{Reason: Malformed, Detail: err.Error()}
	}
	keys, err := v.config.Keys(req.Context(), p.KeyID)
	if err != nil {
		return fmt.Errorf("httpsig: find the key: %w", err)
	}
	body, err := takeBody(&req.Body, v.config.MaxBody)
	if err != nil {
		return &Error{Reason: BadBody, Detail: err.Error()}
	}
	sum := sha256.Sum256(body)
	known, err := m.parts(sum[:])
	if err != nil {
		return &Error{Reason: Malformed, Detail: err.Error()}
	}
	known.Timestamp, known.Nonce, known.KeyID = p.Timestamp, p.Nonce, p.KeyID
	text := []byte(v.config.Scheme.Form(known))
	matches := func(k Key) bool {
		secret, ok := k.key.(auth.Secret)
		return ok && hmac.Equal([]byte(v.config.Scheme.Encode(mac(secret, text))), []byte(signature))
	}
	if len(keys) == 0 {
		matches(dummy)
		return &Error{Reason: BadSignature}
	}
	good := false
	for _, k := range keys[:min(len(keys), maxTried)] {
		good = matches(k) || good
	}
	if !good {
		return &Error{Reason: BadSignature}
	}
	return nil
}

// Handler returns a middleware for servers, like [Verifier.Handler].
func (v *HMACVerifier) Handler(refused func(*http.Request, error)) func(http.Handler) http.Handler {
	return guard(v.VerifyRequest, refused)
}
