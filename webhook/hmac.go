package webhook

import "errors"

// HMACConfig says what an [HMACVerifier] accepts.
type HMACConfig struct {
	// Secrets are the secrets that a signature may be made with, as bytes of at
	// least 16. While one is being replaced there are two.
	Secrets []Secret
	// Algorithm is HMACSHA256, which is what 0 means, HMACSHA1 or HMACSHA512.
	Algorithm Algorithm
	// Prefix is what a signature begins with, such as "sha256=".
	Prefix string
	// Encoding is how a signature is written, by default in hexadecimal, lower
	// case.
	Encoding Encoding
	// DangerouslyShortSecrets is as in [Config].
	DangerouslyShortSecrets bool
}

// HMACVerifier checks a bare signature of a body, for a provider without a
// scheme, and for what is not HTTP:
//
//	v, err := webhook.NewHMACVerifier(webhook.HMACConfig{Secrets: []webhook.Secret{secret}})
//	…
//	err = v.Verify(body, req.Header.Get("X-Signature"))
//
// Nothing tells a replay from the original. It is immutable and safe for
// concurrent use.
type HMACVerifier struct{ engine *engine }

// NewHMACVerifier checks c and makes an HMACVerifier of it. Its error joins one
// error for each thing that is wrong.
func NewHMACVerifier(c HMACConfig) (*HMACVerifier, error) {
	var errs []error
	if c.Algorithm < 0 || c.Algorithm > HMACSHA512 {
		errs = append(errs, errors.New("webhook: HMACConfig.Algorithm is no HMAC"))
	}
	if c.Encoding < Hex || c.Encoding > RawBase64URL {
		errs = append(errs, errors.New("webhook: HMACConfig.Encoding does not exist"))
	}
	if len(c.Secrets) == 0 {
		errs = append(errs, errors.New("webhook: HMACConfig.Secrets is empty"))
	}
	scheme := Scheme{
		Name:     "hmac",
		Headers:  []string{"Signature"},
		Versions: []Version{{Prefix: c.Prefix, Algorithm: orDefault(c.Algorithm, HMACSHA256)}},
		Encoding: c.Encoding,
		Signed:   "{body}",
	}
	keys := make([]Key, len(c.Secrets))
	for i, s := range c.Secrets {
		keys[i].Secret = s
	}
	if _, err := parseKeys(&scheme, "HMACConfig.Secrets", keys, c.DangerouslyShortSecrets); err != nil && len(errs) == 0 {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e, err := compile(Config{Scheme: scheme, Keys: keys, DangerouslyShortSecrets: c.DangerouslyShortSecrets})
	if err != nil {
		return nil, err
	}
	return &HMACVerifier{engine: e}, nil
}

// Verify checks that signature is one of body. It can hold several, with commas
// between them, of which one must be good. An error is an [*Error].
func (v *HMACVerifier) Verify(body []byte, signature string) error {
	e := v.engine
	c := e.newCheck(nil, body)
	defer e.release(c)
	if err := c.addItems(signature); err != nil {
		return err
	}
	if len(c.candidates) == 0 {
		return e.refuse(ErrNoSignature, "")
	}
	if c.match(e.keys) == nil {
		return e.refuse(ErrBadSignature, "")
	}
	return nil
}
