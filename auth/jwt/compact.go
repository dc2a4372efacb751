package jwt

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast-go/holdfast/auth"
)

// The bounds of what a stranger sends.
const (
	// DefaultMaxBytes is the default of Config.MaxBytes.
	DefaultMaxBytes = 16 << 10

	maxKeyID = 256 // bytes of a key id
	maxTried = 8   // keys that are tried for one signature
)

// JWS is a message whose signature was good (RFC 7515).
type JWS struct {
	// Algorithm is that of the signature.
	Algorithm Algorithm
	// KeyID is the header member "kid", "" if there was none.
	KeyID string
	// Type is the header member "typ", "" if there was none.
	Type string
	// Payload is what was signed, of any form.
	Payload []byte
}

// VerifyJWS checks the signature of a JWS in compact form, and nothing else: the
// payload need not be claims, and is not looked at. Use a [Verifier] for tokens
// that grant something.
//
// The list of algorithms must not be empty. A message of more than
// [DefaultMaxBytes] bytes is refused. The header is read as strictly as that of
// a token; its members jku, jwk, x5u and x5c are ignored. The error is an
// [*Error], a [*KeysError], or the cause of the context's end.
func VerifyJWS(ctx context.Context, compact string, keys KeySource, algorithms ...Algorithm) (*JWS, error) {
	if keys == nil {
		return nil, errors.New("jwt: VerifyJWS needs a KeySource")
	}
	if err := checkAlgorithms(algorithms); err != nil {
		return nil, err
	}
	m, err := parseCompact(compact, DefaultMaxBytes)
	if err != nil {
		return nil, err
	}
	if err := m.verify(ctx, keys, algorithms); err != nil {
		return nil, err
	}
	return &m.JWS, nil
}

// message is a JWS whose signature has not been looked at.
type message struct {
	JWS
	compact     string
	signature   []byte
	contentType string
}

// parseCompact reads the compact form. It is the strict front of the verifier:
// what passes has one meaning, and one spelling.
func parseCompact(compact string, maxBytes int) (*message, error) {
	// The length first, so that nothing is done for a token of any length.
	if len(compact) > maxBytes {
		return nil, malformed("too long")
	}
	if strings.Count(compact, ".") != 2 {
		return nil, malformed("not three parts")
	}
	head, rest, _ := strings.Cut(compact, ".")
	body, tail, _ := strings.Cut(rest, ".")
	m := &message{compact: compact}
	header, ok := decode(head)
	if !ok {
		return nil, malformed("the header is not base64url")
	}
	if m.Payload, ok = decode(body); !ok {
		return nil, malformed("the payload is not base64url")
	}
	if m.signature, ok = decode(tail); !ok {
		return nil, malformed("the signature is not base64url")
	}
	if len(m.signature) == 0 {
		return nil, malformed("no signature")
	}
	members, err := parseObject(header)
	if err != nil {
		return nil, malformed("header: " + err.Error())
	}
	return m, m.readHeader(members)
}

func (m *message) readHeader(members map[string]json.RawMessage) error {
	// No extension is known here, so each that must be understood is a reason
	// to refuse (RFC 7515, section 4.1.11; RFC 7797, section 6).
	for _, name := range []string{"crit", "b64"} {
		if _, ok := members[name]; ok {
			return malformed("header: " + name + " is not supported")
		}
	}
	alg, ok := text(members, "alg")
	if !ok || alg == "" {
		return malformed("header: alg is not a name")
	}
	if m.KeyID, ok = text(members, "kid"); !ok || len(m.KeyID) > maxKeyID {
		return malformed("header: kid is not a short string")
	}
	if m.Type, ok = text(members, "typ"); !ok {
		return malformed("header: typ is not a string")
	}
	if m.contentType, ok = text(members, "cty"); !ok {
		return malformed("header: cty is not a string")
	}
	m.Algorithm = Algorithm(alg)
	return nil
}

// verify looks for a key that made the signature.
func (m *message) verify(ctx context.Context, source KeySource, allowed []Algorithm) error {
	if !slices.Contains(allowed, m.Algorithm) {
		return &Error{Reason: WrongAlgorithm}
	}
	keys, err := source.Keys(ctx, m.KeyID, m.Algorithm)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &KeysError{Err: err}
	}
	tried := 0
	for _, k := range keys {
		// A source may return more than it was asked for.
		if m.KeyID != "" && k.id != m.KeyID || !k.suits(m.Algorithm) {
			continue
		}
		if tried++; tried > maxTried {
			return &Error{Reason: UnknownKey, Detail: "too many keys come into question"}
		}
		if m.signedBy(k) {
			return nil
		}
	}
	if tried == 0 {
		return &Error{Reason: UnknownKey}
	}
	return &Error{Reason: BadSignature}
}

// signedBy reports whether k made the signature.
func (m *message) signedBy(k Key) bool {
	parsed, err := jose.ParseSignedCompact(m.compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(m.Algorithm)})
	if err != nil {
		return false
	}
	key := k.key
	if secret, ok := key.(auth.Secret); ok {
		key = []byte(secret.Reveal())
	}
	if _, err := parsed.Verify(key); err != nil {
		return false
	}
	if f, _ := m.Algorithm.details(); f == pssFamily {
		return m.hasRightSalt(k.key.(*rsa.PublicKey))
	}
	return true
}

// hasRightSalt checks that the salt of a PSS signature is as long as the hash
// (RFC 7518, section 3.5). go-jose takes any length.
func (m *message) hasRightSalt(key *rsa.PublicKey) bool {
	_, hash := m.Algorithm.details()
	h := hash.New()
	h.Write([]byte(m.compact[:strings.LastIndexByte(m.compact, '.')]))
	return rsa.VerifyPSS(key, hash, h.Sum(nil), m.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

func malformed(detail string) error { return &Error{Reason: Malformed, Detail: detail} }

// checkAlgorithms refuses an empty list and unknown names.
func checkAlgorithms(algorithms []Algorithm) error {
	if len(algorithms) == 0 {
		return errors.New("jwt: the list of algorithms is empty: name the ones that the issuer uses")
	}
	var errs []error
	for _, a := range algorithms {
		if !a.known() {
			errs = append(errs, errors.New("jwt: unknown algorithm \""+string(a)+"\""))
		}
	}
	return errors.Join(errs...)
}
