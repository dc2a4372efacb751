package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// DefaultMaxBuffer is the default of [Config].
const DefaultMaxBuffer = 64 << 10

// Config says what a [Guard] does. Only Authorizer is needed.
type Config struct {
	// Authorizer puts the credentials on. If it is a [Challenger], a request
	// that was answered with a 401 may be sent a second time.
	Authorizer Authorizer

	// Origins are those that the credentials are for, each as scheme, host and
	// port, such as "https://api.example.com". Requests to others go out
	// without; a redirect from one of them to another keeps the credentials.
	// Empty means: any origin that the program sends a request to, and no
	// redirect away from there.
	Origins []string

	// MaxBuffer is how many bytes are kept of the body of a request that has no
	// GetBody, so that it can be sent again after a 401. The body is kept while
	// it streams, and only if Authorizer is a Challenger. A longer one is not
	// sent again. 0 means [DefaultMaxBuffer]; a negative value means that none
	// are kept.
	MaxBuffer int64

	// NoReplay returns every 401 as it is. Authorizer is told all the same, so
	// that the next request may fare better.
	NoReplay bool

	// DangerouslyAllowHTTP sends credentials over plain HTTP, where everybody
	// on the way can read them. Loopback addresses are allowed without it.
	DangerouslyAllowHTTP bool

	// Hooks are told of decisions.
	Hooks Hooks
}

// Guard puts credentials on requests, and only where they belong. It is
// immutable and safe for concurrent use.
type Guard struct {
	authorizer Authorizer
	challenger Challenger // nil if authorizer is none
	origins    map[httpx.Key]bool
	maxBuffer  int64
	noReplay   bool
	allowHTTP  bool
	fielder    fielder // nil if authorizer is none
	hooks      Hooks
}

// New checks c and makes a Guard of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Guard, error) {
	var errs []error
	if isNil(c.Authorizer) {
		errs = append(errs, errors.New("auth: Config.Authorizer is nil"))
	}
	g := &Guard{
		authorizer: c.Authorizer,
		maxBuffer:  max(0, c.MaxBuffer),
		noReplay:   c.NoReplay,
		allowHTTP:  c.DangerouslyAllowHTTP,
		hooks:      c.Hooks,
	}
	if len(c.Origins) > 0 {
		g.origins = make(map[httpx.Key]bool, len(c.Origins))
	}
	for i, o := range c.Origins {
		key, err := parseOrigin(o)
		if err != nil {
			errs = append(errs, fmt.Errorf("auth: Config.Origins[%d]: %w", i, err))
		}
		g.origins[key] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	g.challenger, _ = c.Authorizer.(Challenger)
	g.fielder, _ = c.Authorizer.(fielder)
	if c.MaxBuffer == 0 {
		g.maxBuffer = DefaultMaxBuffer
	}
	return g, nil
}

// isNil reports whether a holds nothing, as such or as a nil func or pointer.
func isNil(a any) bool {
	if a == nil {
		return true
	}
	v := reflect.ValueOf(a)
	return (v.Kind() == reflect.Func || v.Kind() == reflect.Pointer) && v.IsNil()
}

// parseOrigin parses an origin. Its error does not have the text, which may
// have a password.
func parseOrigin(s string) (httpx.Key, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil ||
		(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return httpx.Key{}, errors.New(`must be a scheme, a host and perhaps a port, such as "https://api.example.com"`)
	}
	return httpx.Origin(&http.Request{URL: u}), nil
}

// Wrap returns a RoundTripper that sends requests through next with
// credentials. A nil next means http.DefaultTransport. It belongs right around
// the transport, below retry, so that each attempt has fresh credentials.
//
// The RoundTripper keeps the contract of http.RoundTripper: it does not change
// the request, closes its body, and returns any answer with a nil error. The
// error of a request that was not sent is an [*Error]. Neither the errors nor
// the Request of an answer have the credentials.
func (g *Guard) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{guard: g, next: httpx.Base(next)}
}
