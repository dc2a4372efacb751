package webhook

import (
	"net/http"
	"slices"
	"time"
)

// The default and the limit of Config.MaxSignatures.
const (
	DefaultMaxSignatures = 16

	maxSignatures = 100
)

// Config says what a [Verifier] accepts.
type Config struct {
	// Scheme is how the provider signs. It must be set.
	Scheme Scheme

	// Keys are the keys that signatures may be made with. While one is being
	// replaced there are two. At least one is needed, unless KeysFor is set.
	Keys []Key

	// KeysFor, when not nil, returns the keys for a request, for providers that
	// send many tenants to one endpoint, or whose public keys change. It must not
	// read the body and must be safe for concurrent use. Nothing in the request
	// is verified yet. No keys is the answer for a tenant that does not exist;
	// an error means that the keys could not be had, and is [ErrKeys]. The
	// keys are parsed, and their states set up, for each request.
	KeysFor func(*http.Request) ([]Key, error)

	// URL is the address by which the provider calls us, such as
	// "https://example.com/hooks/twilio", for schemes that sign it. It is
	// configuration, since behind a proxy the request does not show it, and what
	// it shows can be forged. Without a path ("https://example.com") the path
	// and the query are those of the request. With one it is taken as it is, and
	// a request with another query is refused.
	URL string

	// MaxAge and MaxSkew take the place of those of the Scheme. 0 means the
	// Scheme's; a negative value means that it does not matter.
	MaxAge, MaxSkew time.Duration

	// MaxSignatures bounds the signatures in a request that are looked at; one
	// with more is refused. 0 means [DefaultMaxSignatures]; at most 100.
	MaxSignatures int

	// DangerouslyShortSecrets accepts secrets that are shorter than the Scheme
	// asks for. A short secret can be found by trying, from a single request.
	DangerouslyShortSecrets bool
}

// Verifier checks the signatures of webhooks. It is immutable and safe for
// concurrent use.
type Verifier struct {
	engine *engine // behind a pointer that fmt does not follow
}

// New checks c and makes a Verifier of it. Its error joins one error for each
// field that is wrong, and quotes no secret.
func New(c Config) (*Verifier, error) {
	e, err := compile(c)
	if err != nil {
		return nil, err
	}
	return &Verifier{engine: e}, nil
}

// Scheme returns the name of the scheme.
func (v *Verifier) Scheme() string { return v.engine.scheme.Name }

// Verify checks that body, which must be the bytes of the request exactly as
// they came, was signed by the holder of one of the keys, not too long ago. Of
// req it reads the method, the URL and the header, and never the body: a caller
// that has no server's request makes one with http.NewRequest.
//
// An error is an [*Error]. Nothing in the request must be believed then.
//
// The result keeps body, which must not be changed afterwards.
func (v *Verifier) Verify(req *http.Request, body []byte) (verified Verified, err error) {
	err = v.engine.verify(req, body, time.Time{}, &verified)
	return verified, err
}

// VerifyAt is Verify for a request that came at another time than now: out of a
// queue for example. The zero time means now.
func (v *Verifier) VerifyAt(req *http.Request, body []byte, at time.Time) (verified Verified, err error) {
	err = v.engine.verify(req, body, at, &verified)
	return verified, err
}

// AnyOf returns a Verifier for requests that one of several accepts, for the
// time in which a provider changes its scheme. They are asked in turn, and the
// error is that of the last. What [Scheme] says beside the verifying, such as
// Batch and Ack, is that of the first.
func AnyOf(first *Verifier, others ...*Verifier) *Verifier {
	e := *first.engine
	e.tokens = slices.Clone(e.tokens)
	for _, v := range others {
		e.tokens = append(e.tokens, v.engine.tokens...)
	}
	e.scheme.Verify = func(req *http.Request, body []byte, at time.Time) (Verified, error) {
		verified, err := first.VerifyAt(req, body, at)
		for _, v := range others {
			if err == nil {
				break
			}
			verified, err = v.VerifyAt(req, body, at)
		}
		return verified, err
	}
	return &Verifier{engine: &e}
}
