package webhook

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

// An engine is a Scheme and its keys, prepared for checking.
type engine struct {
	scheme        Scheme
	parts         []part
	strict        []*part // those whose form is checked, beside the time
	families      []family
	keys          []*key
	keysFor       func(*http.Request) ([]Key, error)
	shortSecrets  bool
	url           publicURL
	maxAge        time.Duration
	maxSkew       time.Duration
	maxSignatures int

	signaturePath, timestampPath, batchPath []string

	expect []expectation
	tokens []string // header fields in which a secret travels

	signsTime, signsID, signsBody bool
	hasTime                       bool
	signsTimeAlone                bool // as a piece of its own
	signsURL, signsForm           bool
	fixedDigits                   bool // a timestamp has one length only
	numbered                      bool // the headers of the signatures are
	readsJSON                     bool // before the signature is checked

	checks *spares // for keys
}

// A family is the names of the header fields of a scheme.
type family struct {
	signatures                   []string
	timestamp, id, delivery, typ string
}

// An expectation is a field of Scheme.Expect.
type expectation struct{ name, value string }

// spares are checks that wait to be used again. The pool keeps one that is used
// between two collections of garbage, and its fast path has no locked
// instruction, which a slot of our own would need.
type spares struct{ pool sync.Pool }

func (s *spares) get() *check {
	if c, ok := s.pool.Get().(*check); ok {
		return c
	}
	return new(check)
}

func (s *spares) put(c *check) { s.pool.Put(c) }

// refuse returns the error for a request.
func (e *engine) refuse(reason error, detail string) error {
	return &Error{Scheme: e.scheme.Name, Reason: reason, Detail: detail}
}

// verify checks a request that came at the time at; the zero time is now. What
// it finds goes into v, which is empty if there is an error.
func (e *engine) verify(req *http.Request, body []byte, at time.Time, v *Verified) error {
	if e.scheme.Verify != nil {
		if at.IsZero() {
			at = time.Now()
		}
		verified, err := e.scheme.Verify(req, body, at)
		if err != nil {
			return err
		}
		if verified.body == nil {
			verified.body = body
		}
		*v = verified
		return nil
	}
	keys, err := e.keysOf(req)
	if err != nil {
		return err
	}
	c := e.newCheck(req, body)
	defer e.release(c)
	if e.scheme.Batch != nil && e.scheme.Batch.Signed {
		return e.verifyEach(c, keys, at, v)
	}
	return e.verifyOne(c, keys, at, v)
}

// verifyEach checks a batch of events with a signature each.
func (e *engine) verifyEach(c *check, keys []*key, at time.Time, v *Verified) error {
	doc, err := parseJSON(c.body)
	if err != nil {
		return e.refuse(ErrMalformed, err.Error())
	}
	elements, err := e.split(doc)
	if err != nil || len(elements) == 0 {
		return e.refuse(ErrMalformed, errNotAnArray.Error())
	}
	var first Verified
	var signed content
	for i, element := range elements {
		var one Verified
		c.doc = element
		if err := e.verifyOne(c, keys, at, &one); err != nil {
			return err
		}
		if i == 0 {
			first = one
		}
		signed.all = append(append(signed.all, one.content.all...), 0)
		signed.events = append(signed.events, one.content.all)
	}
	*v = first
	v.content = &signed
	return nil
}

// maxEvents bounds the events in one body.
const maxEvents = 10_000

// split returns the events in a body.
func (e *engine) split(doc document) ([]document, error) {
	array, ok := doc.find(e.batchPath)
	if !ok {
		return nil, errDuplicate
	}
	if e.batchPath == nil && len(array) > 0 && array[0] == '{' {
		return []document{array}, nil
	}
	elements := array.elements(maxEvents)
	if elements == nil {
		return nil, errNotAnArray
	}
	return elements, nil
}

// verifyOne checks one signed thing: a request or, in c.doc, an event in it.
func (e *engine) verifyOne(c *check, keys []*key, at time.Time, v *Verified) error {
	if err := c.read(); err != nil {
		return err
	}
	k := c.match(keys)
	if len(keys) == 0 {
		return e.refuse(ErrUnknownKey, "")
	}
	if k == nil {
		return e.refuse(ErrBadSignature, "")
	}
	if e.hasTime {
		if err := c.checkTime(at); err != nil {
			return err
		}
		v.Timestamp = c.signedAt
	}
	v.Scheme, v.KeyID, v.key = e.scheme.Name, k.id, k
	v.TimestampSigned, v.IDSigned, v.BodySigned = e.signsTime, e.signsID, e.signsBody
	v.id, v.body = c.id, c.body
	if e.scheme.Batch == nil {
		v.idPaths = e.scheme.ID.JSON
	}
	if !e.signsBody && len(e.parts) > 0 {
		v.content = &content{all: c.signedContent()}
	}
	return nil
}

// keysOf returns the keys for a request.
func (e *engine) keysOf(req *http.Request) ([]*key, error) {
	if e.keysFor == nil {
		return e.keys, nil
	}
	keys, err := e.keysFor(req)
	if err != nil {
		return nil, &Error{Scheme: e.scheme.Name, Reason: ErrKeys, Err: err}
	}
	parsed, err := parseKeys(&e.scheme, "keys", keys, e.shortSecrets)
	if err != nil {
		return nil, &Error{Scheme: e.scheme.Name, Reason: ErrKeys, Err: err}
	}
	return parsed, nil
}

// decoy is the key for a request that has none, so that it takes as long to
// refuse as one with a bad signature.
func decoy() *key {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &key{secret: hidden(secret)}
}

// newCheck returns a check for one request.
func (e *engine) newCheck(req *http.Request, body []byte) *check {
	c := e.checks.get()
	c.engine, c.req, c.body = e, req, body
	return c
}

// maxKept bounds the buffers that wait for the next request.
const maxKept = 64 << 10

// release takes back a check, without what belongs to the request.
func (e *engine) release(c *check) {
	for i := range c.candidates {
		c.candidates[i].text = ""
	}
	clear(c.urls)
	c.engine, c.req, c.body, c.doc = nil, nil, nil, nil
	c.candidates, c.urls = c.candidates[:0], c.urls[:0]
	c.timestamp, c.id, c.item = "", "", ""
	if e.keysFor != nil {
		c.macs = nil // of keys that others may not have
	}
	if cap(c.buf) > maxKept {
		c.buf = nil
	}
	if cap(c.form) > maxKept {
		c.form = nil
	}
	e.checks.put(c)
}
