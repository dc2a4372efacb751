package webhook

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
	keys := make([]Key, len(c.Secrets))
	for i, s := range c.Secrets {
		keys[i].Secret = s
	}
	e, err := compile(Config{
		Scheme: Scheme{
			Name:     "hmac",
			Headers:  []string{"Signature"},
			Versions: []Version{{Prefix: c.Prefix, Algorithm: hmacOnly(c.Algorithm)}},
			Encoding: c.Encoding,
			Signed:   "{body}",
		},
		Keys:                    keys,
		DangerouslyShortSecrets: c.DangerouslyShortSecrets,
	})
	if err != nil {
		return nil, err
	}
	return &HMACVerifier{engine: e}, nil
}

// hmacOnly makes an algorithm that is no HMAC one that does not exist.
func hmacOnly(a Algorithm) Algorithm {
	switch {
	case a == 0:
		return HMACSHA256
	case a > HMACSHA512:
		return -1
	}
	return a
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
