package httpsig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The defaults and bounds of a [Verifier].
const (
	DefaultMaxAge = 5 * time.Minute
	DefaultLeeway = 30 * time.Second

	maxFieldBytes = 16 << 10 // of Signature-Input and Signature together, and of another dictionary
	maxCandidates = 4        // signatures of one message that are looked at
)

// VerifierConfig says which signatures a [Verifier] takes. Keys must be set.
type VerifierConfig struct {
	// Keys finds the keys of an id, such as [Keys] of a fixed list.
	Keys KeyFunc

	// Components are what the signature must cover at least, written as in
	// Config. nil means the ones of [DefaultComponents] for requests, and
	// "@status" for responses, with "content-digest" only for messages that
	// have a body. A list that is empty but not nil asks for none.
	Components []string

	// Label and Tag, if set, select the signature of a message that has several.
	// Else up to four of them are tried, and one that is good is enough.
	Label, Tag string

	// MaxAge is how old a signature may be, by its parameter "created", which
	// must be there. 0 means [DefaultMaxAge].
	MaxAge time.Duration

	// Leeway is how far the clocks may differ. 0 means [DefaultLeeway]; a
	// negative value means none.
	Leeway time.Duration

	// Nonce, when not nil, is called once for each signature that is good, with
	// its key id and its nonce, which must be there then. It returns an error
	// if it has seen the pair before. It must remember a pair until the time
	// that it is given; later the signature is refused for its age. It must be
	// safe for concurrent use, and must note and ask in one step.
	Nonce func(ctx context.Context, keyID, nonce string, until time.Time) error

	// MaxBody is how many bytes of a body are read to compare it with its
	// digest. A message with a longer one is refused. 0 means [DefaultMaxBody].
	MaxBody int64

	// Scheme is the one that clients use, "http" or "https". "" means that of
	// the connection; set it behind a proxy that ends TLS.
	Scheme string

	// DangerouslyUncoveredBody takes messages with a body that the signature
	// does not cover: anybody on the way can replace it.
	DangerouslyUncoveredBody bool
}

// Signature is a signature that was good.
type Signature struct {
	// Label is its name in the message.
	Label string
	// KeyID is the parameter "keyid".
	KeyID string
	// Created is when it was made.
	Created time.Time
	// Expires is when it expires; zero if it does not say so.
	Expires time.Time
	// Nonce and Tag are the parameters of that name, "" if they are not there.
	Nonce, Tag string
	// Components are what it covers, as RFC 9421 writes them: `"@method"`.
	// Nothing else of the message can be relied on.
	Components []string
}

// Verifier checks signatures. It is immutable and safe for concurrent use.
type Verifier struct {
	config   VerifierConfig
	required []item // nil for the default
}

// NewVerifier checks c and makes a Verifier of it. Its error joins one error for
// each value that is wrong.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	var errs []error
	if c.Keys == nil {
		errs = append(errs, errors.New("httpsig: VerifierConfig.Keys is nil: must be set"))
	}
	required, err := parseComponents(c.Components)
	errs = append(errs, err)
	if c.Components != nil && required == nil {
		required = []item{}
	}
	if c.MaxAge < 0 || c.MaxBody < 0 {
		errs = append(errs, errors.New("httpsig: VerifierConfig.MaxAge and MaxBody must not be negative"))
	}
	if c.Scheme != "" && c.Scheme != "http" && c.Scheme != "https" {
		errs = append(errs, fmt.Errorf("httpsig: VerifierConfig.Scheme is %q: must be http or https", c.Scheme))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
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
	c.Components = nil
	return &Verifier{config: c, required: required}, nil
}

// VerifyRequest checks the signature of a request that a server got. If it
// covers Content-Digest, the body is read, compared, and put back as a copy. The
// error is an [*Error] if the message is to blame, else that of Config.Keys,
// wrapped.
func (v *Verifier) VerifyRequest(req *http.Request) (*Signature, error) {
	m, err := incoming(req, v.config.Scheme)
	if err != nil {
		return nil, &Error{Reason: Malformed, Detail: err.Error()}
	}
	return v.verify(req.Context(), m, func() ([]byte, error) { return takeBody(&req.Body, v.config.MaxBody) }, hasBody(req.Body))
}

// VerifyResponse checks the signature of a response that a client got, like
// [Verifier.VerifyRequest]. Components with the parameter "req" are taken from
// resp.Request, which net/http sets to the request that was sent. The body of a
// response that net/http has unpacked on its own can't be compared any more:
// ask for "Accept-Encoding: identity".
func (v *Verifier) VerifyResponse(ctx context.Context, resp *http.Response) (*Signature, error) {
	m, err := answer(resp)
	if err != nil {
		return nil, &Error{Reason: Malformed, Detail: err.Error()}
	}
	take := func() ([]byte, error) {
		if resp.Uncompressed {
			return nil, errors.New("the body was unpacked on the way")
		}
		return takeBody(&resp.Body, v.config.MaxBody)
	}
	return v.verify(ctx, m, take, hasBody(resp.Body))
}

// candidate is one signature of a message.
type candidate struct {
	label     string
	covered   item
	signature []byte
}

func (v *Verifier) verify(ctx context.Context, m *message, body func() ([]byte, error), withBody bool) (*Signature, error) {
	list, err := v.candidates(m.header)
	if err != nil {
		return nil, err
	}
	var first error
	for _, c := range list {
		s, err := v.check(ctx, m, c, withBody)
		if err == nil {
			return v.finish(ctx, m, c, s, body)
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// candidates returns the signatures with the label and the tag that are asked
// for.
func (v *Verifier) candidates(header http.Header) ([]candidate, error) {
	in := strings.Join(header.Values("Signature-Input"), ", ")
	out := strings.Join(header.Values("Signature"), ", ")
	if len(in)+len(out) > maxFieldBytes {
		return nil, &Error{Reason: Malformed, Detail: "the signature fields are too long"}
	}
	inputs, inErr := parseDictionary(in)
	signatures, outErr := parseDictionary(out)
	if inErr != nil || outErr != nil {
		return nil, &Error{Reason: Malformed, Detail: "the signature fields are not dictionaries"}
	}
	var list []candidate
	for _, m := range inputs {
		tag, _ := m.item.params.get("tag")
		if v.config.Label != "" && m.name != v.config.Label || v.config.Tag != "" && tag != v.config.Tag {
			continue
		}
		it, _ := signatures.get(m.name)
		signature, ok := it.value.([]byte)
		if _, isList := m.item.value.([]item); !isList || !ok {
			return nil, &Error{Reason: Malformed, Detail: "the two signature fields do not go together"}
		}
		list = append(list, candidate{label: m.name, covered: m.item, signature: signature})
	}
	switch {
	case len(list) == 0:
		return nil, &Error{Reason: Missing}
	case len(list) > maxCandidates:
		return nil, &Error{Reason: Malformed, Detail: "too many signatures"}
	}
	return list, nil
}

// check checks all of a signature but the body and the nonce.
func (v *Verifier) check(ctx context.Context, m *message, c candidate, withBody bool) (*Signature, error) {
	s, err := c.read()
	if err != nil {
		return nil, err
	}
	if err := v.checkCovered(m, c, withBody); err != nil {
		return nil, err
	}
	if err := v.checkTime(s, time.Now()); err != nil {
		return nil, err
	}
	base, err := m.base(c.covered)
	if err != nil {
		return nil, &Error{Reason: Malformed, Detail: err.Error()}
	}
	keys, err := v.config.Keys(ctx, s.KeyID)
	if err != nil {
		return nil, fmt.Errorf("httpsig: find the key: %w", err)
	}
	if alg, ok := c.covered.params.get("alg"); ok {
		// The key decides; what the message says may only agree.
		keys = slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return alg != string(k.alg) })
	}
	if !anyVerifies(keys, base, c.signature) {
		return nil, &Error{Reason: BadSignature}
	}
	return s, nil
}

// read returns the parameters of a signature.
func (c candidate) read() (*Signature, error) {
	s := &Signature{Label: c.label}
	for _, p := range c.covered.params {
		n, isInt := p.value.(int64)
		text, isText := p.value.(string)
		ok := true
		switch p.name {
		case "created":
			s.Created, ok = time.Unix(n, 0), isInt && n >= 0
		case "expires":
			s.Expires, ok = time.Unix(n, 0), isInt && n >= 0
		case "keyid":
			s.KeyID, ok = text, isText
		case "nonce":
			s.Nonce, ok = text, isText
		case "tag":
			s.Tag, ok = text, isText
		case "alg":
			ok = isText
		}
		if !ok {
			return nil, &Error{Reason: Malformed, Detail: "the parameter " + p.name + " has the wrong type"}
		}
	}
	list, _ := c.covered.value.([]item)
	for _, one := range list {
		s.Components = append(s.Components, one.String())
	}
	return s, nil
}

// checkCovered checks that the signature covers what it must.
func (v *Verifier) checkCovered(m *message, c candidate, withBody bool) error {
	list, _ := c.covered.value.([]item)
	required := v.required
	if required == nil {
		names := DefaultComponents()[:4]
		if m.status != 0 {
			names = []string{"@status"}
		}
		for _, name := range names {
			required = append(required, item{value: name})
		}
	}
	for _, r := range required {
		if !contains(list, r) && (!isContentDigest(r) || withBody) {
			return &Error{Reason: NotCovered, Detail: r.String()}
		}
	}
	if withBody && !v.config.DangerouslyUncoveredBody && !slices.ContainsFunc(list, isContentDigest) {
		return &Error{Reason: NotCovered, Detail: `"content-digest"`}
	}
	return nil
}

func (v *Verifier) checkTime(s *Signature, now time.Time) error {
	leeway := v.config.Leeway
	switch {
	case s.Created.IsZero():
		return &Error{Reason: OutOfTime, Detail: "created is missing"}
	case s.Created.After(now.Add(leeway)):
		return &Error{Reason: OutOfTime, Detail: "created in the future"}
	case now.Sub(s.Created) > v.config.MaxAge+leeway:
		return &Error{Reason: OutOfTime, Detail: "too old"}
	case !s.Expires.IsZero() && !now.Before(s.Expires.Add(leeway)):
		return &Error{Reason: OutOfTime, Detail: "expired"}
	}
	return nil
}

// finish checks what only a message with a good signature is worth: the body,
// which costs memory, and the nonce, which is used up.
func (v *Verifier) finish(ctx context.Context, m *message, c candidate, s *Signature, body func() ([]byte, error)) (*Signature, error) {
	list, _ := c.covered.value.([]item)
	if slices.ContainsFunc(list, isContentDigest) {
		data, err := body()
		if err == nil {
			err = checkDigest(m.header, data)
		}
		if err != nil {
			return nil, &Error{Reason: BadBody, Detail: err.Error()}
		}
	}
	if v.config.Nonce == nil {
		return s, nil
	}
	if s.Nonce == "" {
		return nil, &Error{Reason: Replayed, Detail: "nonce is missing"}
	}
	until := s.Created.Add(v.config.MaxAge + v.config.Leeway)
	if err := v.config.Nonce(ctx, s.KeyID, s.Nonce, until); err != nil {
		return nil, &Error{Reason: Replayed}
	}
	return s, nil
}

// Handler returns a middleware for servers that hands on requests with a good
// signature, which is in their context then, see [FromContext]. It answers
// others with 401, and with 503 if the keys could not be looked for. The answer
// does not say which check failed; refused, when not nil, is told.
func (v *Verifier) Handler(refused func(*http.Request, error)) func(http.Handler) http.Handler {
	return guard(v.VerifyRequest, refused)
}
