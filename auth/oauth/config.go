package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/retry"
)

// The defaults of [Config].
const (
	DefaultTimeout       = 10 * time.Second
	DefaultMaxBytes      = 1 << 20
	DefaultMaxRetryAfter = 2 * time.Second
)

// Endpoints are the URLs of one authorization server. Each must be https, or
// http on a loopback address. Only Token is always needed. [Metadata] has them
// as the server publishes them.
type Endpoints struct {
	// Issuer is the server's identifier. If it is set, the "iss" of an
	// authorization answer must be it (RFC 9207), and client assertions are
	// made for it.
	Issuer string
	// Token is where tokens come from (RFC 6749, section 3.2).
	Token string
	// Authorization is where the user logs in (RFC 6749, section 3.1).
	Authorization string
	// Device is where a device login begins (RFC 8628, section 3.1).
	Device string
	// Revocation is where tokens are revoked (RFC 7009).
	Revocation string
	// PushedAuthorization takes the parameters of a login before the browser
	// goes to Authorization (RFC 9126).
	PushedAuthorization string
	// RequirePushed says that the server knows no other logins: see
	// [Client.PushCode]. A server may want that of some clients only, which its
	// metadata do not say. PushedAuthorization must be set.
	RequirePushed bool
	// RequireIss refuses an authorization answer without "iss". A server that
	// says authorization_response_iss_parameter_supported always sends it.
	// Issuer must be set.
	RequireIss bool
}

// Config says which client talks to which authorization server, and how.
// Endpoints, ClientID and Auth are needed.
type Config struct {
	// Endpoints are those of the server.
	Endpoints Endpoints
	// ClientID is the client's identifier there.
	ClientID string
	// Auth proves to the server that it is this client. There is no default and
	// nothing is tried out: a guess costs a one-time code and hides the first
	// error.
	Auth ClientAuth

	// Transport sends the requests. nil means http.DefaultTransport. Redirects
	// are never followed. For a client certificate (RFC 8705) it is where the
	// certificate is configured.
	Transport http.RoundTripper
	// Header is added to each request. It is copied.
	Header http.Header

	// Timeout is the time that one attempt may take, with the reading of its
	// answer. 0 means [DefaultTimeout].
	Timeout time.Duration
	// MaxBytes is the longest answer that is read, at most 64 MiB, after
	// decompression. 0 means [DefaultMaxBytes].
	MaxBytes int64

	// Retry says how often a request is repeated and when. Which one may be
	// repeated depends on the grant alone, so Classify and Check must be nil. A
	// MaxRetryAfter of 0 means [DefaultMaxRetryAfter]: a server that asks for a
	// longer wait is left alone, and whoever wants a token learns that at once.
	Retry retry.Config
	// Breaker refuses requests while the server is down. It can be shared by
	// the clients of one server. nil means one of the Client's own, with the
	// defaults of package breaker.
	Breaker *breaker.Breaker

	// DangerouslyAllowHTTP sends credentials over plain HTTP, where everybody
	// on the way can read them. Loopback addresses are allowed without it.
	DangerouslyAllowHTTP bool
}

// check fills in the defaults, and joins one error for each field that is wrong.
func (c *Config) check() error {
	e := c.Endpoints
	errs := []error{checkEndpoint("Config.Endpoints.Token", e.Token, true, c.DangerouslyAllowHTTP)}
	for _, f := range []struct{ name, url string }{
		{"Config.Endpoints.Authorization", e.Authorization},
		{"Config.Endpoints.Device", e.Device},
		{"Config.Endpoints.Revocation", e.Revocation},
		{"Config.Endpoints.PushedAuthorization", e.PushedAuthorization},
	} {
		errs = append(errs, checkEndpoint(f.name, f.url, false, c.DangerouslyAllowHTTP))
	}
	if e.RequireIss && e.Issuer == "" {
		errs = append(errs, errors.New("oauth: Config.Endpoints.RequireIss is set: Issuer must be set too"))
	}
	if e.RequirePushed && e.PushedAuthorization == "" {
		errs = append(errs, errors.New("oauth: Config.Endpoints.RequirePushed is set: PushedAuthorization must be set too"))
	}
	if c.ClientID == "" {
		errs = append(errs, errors.New("oauth: Config.ClientID is empty"))
	}
	if isNil(c.Auth) {
		errs = append(errs, errors.New("oauth: Config.Auth is nil: say how the client authenticates, Public if it does not"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("oauth: Config.Timeout is %v: must not be negative", c.Timeout))
	}
	if c.MaxBytes < 0 || c.MaxBytes > 64<<20 {
		errs = append(errs, fmt.Errorf("oauth: Config.MaxBytes is %d: must be between 0 and 67108864", c.MaxBytes))
	}
	if c.Retry.Classify != nil || c.Retry.Check != nil {
		errs = append(errs, errors.New("oauth: Config.Retry has Classify or Check: the grant decides what is repeated"))
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Retry.MaxRetryAfter == 0 {
		c.Retry.MaxRetryAfter = DefaultMaxRetryAfter
	}
	c.Header = c.Header.Clone()
	c.Transport = httpx.Base(c.Transport)
	return errors.Join(errs...)
}

// checkEndpoint says what is wrong with a URL that credentials will be sent to.
// The error does not have the URL, which may have a password.
func checkEndpoint(name, raw string, needed, allowHTTP bool) error {
	if raw == "" {
		if needed {
			return fmt.Errorf("oauth: %s is empty", name)
		}
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("oauth: %s is not an absolute URL of https", name)
	case u.User != nil:
		return fmt.Errorf("oauth: %s has a user or a password in it", name)
	case strings.Contains(raw, "#"): // even an empty one would end the query of a login
		return fmt.Errorf("oauth: %s has a fragment", name)
	case u.Scheme == "http" && !allowHTTP && !httpx.Loopback(u.Hostname()):
		return fmt.Errorf("oauth: %s is plain HTTP: must be https", name)
	}
	return nil
}

// isNil reports whether a holds nothing, as such or as a nil func or pointer.
func isNil(a any) bool {
	if a == nil {
		return true
	}
	v := reflect.ValueOf(a)
	return (v.Kind() == reflect.Func || v.Kind() == reflect.Pointer) && v.IsNil()
}
