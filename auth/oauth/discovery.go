package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/retry"
)

// DiscoverConfig says whose metadata to fetch. Issuer is needed.
type DiscoverConfig struct {
	// Issuer is the server's identifier, an https URL without query. The
	// metadata must name it to the letter: a slash at its end counts.
	Issuer string
	// OpenID asks at /.well-known/openid-configuration, behind the issuer's
	// path (OpenID Connect Discovery 1.0), and not at
	// /.well-known/oauth-authorization-server, in front of it (RFC 8414).
	OpenID bool
	// URL, when given, is where the metadata are, for servers that have them at
	// another place than the two. The issuer in them is checked all the same.
	URL string

	// Transport sends the requests. nil means http.DefaultTransport. Redirects
	// are never followed.
	Transport http.RoundTripper
	// Timeout is the time that one attempt may take. 0 means [DefaultTimeout].
	Timeout time.Duration
	// Retry says how often the request is repeated and when.
	Retry retry.Config
	// DangerouslyAllowHTTP asks over plain HTTP. Loopback addresses are allowed
	// without it.
	DangerouslyAllowHTTP bool
}

// Metadata is what an authorization server says of itself (RFC 8414, section 2).
// The lists are as the server wrote them.
type Metadata struct {
	// Endpoints are those of the server, for Config.
	Endpoints Endpoints
	// MTLS are those for clients with a certificate (RFC 8705, section 5): the
	// others where there is none of its own.
	MTLS Endpoints
	// JWKS is the URL of the server's keys.
	JWKS string
	// Scopes are some of the scopes that the server knows.
	Scopes []string
	// Grants are the grant types.
	Grants []string
	// AuthMethods are the ways in which a client may authenticate.
	AuthMethods []string
	// AuthAlgorithms are those of client assertions.
	AuthAlgorithms []string
	// ChallengeMethods are the code challenge methods of PKCE.
	ChallengeMethods []string
}

// maxMetadata is the longest metadata that is read.
const maxMetadata = 1 << 20

// Discover fetches a server's metadata and checks that it is that of the issuer
// and that its endpoints can be trusted with credentials. Call it once at the
// start, not for each token. Its errors are a [*auth.TokenError], but for those
// about the config.
func Discover(ctx context.Context, c DiscoverConfig) (*Metadata, error) {
	location, err := c.location()
	if err != nil {
		return nil, err
	}
	policy, err := retry.New(c.Retry)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, errors.New("oauth: DiscoverConfig.Issuer is no URL")
	}
	req.Header.Set("Accept", "application/json")
	sent := time.Now()
	chain := policy.Wrap(retry.AttemptTimeout(c.Timeout)(metadataReader{httpx.Base(c.Transport)}))
	resp, err := chain.RoundTrip(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	defer resp.Body.Close()
	a := &answer{endpoint: redactURL(location), status: resp.StatusCode, header: resp.Header, maxBytes: maxMetadata, sent: sent}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, transportError(ctx, err)
	}
	return a.metadata(c)
}

// metadataReader reads the whole answer within the time of the attempt.
type metadataReader struct{ next http.RoundTripper }

// RoundTrip sends req.
func (r metadataReader) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return readWhole(resp, maxMetadata)
}

// location returns the URL of the metadata.
func (c *DiscoverConfig) location() (string, error) {
	errs := []error{
		checkEndpoint("DiscoverConfig.Issuer", c.Issuer, true, c.DangerouslyAllowHTTP),
		checkEndpoint("DiscoverConfig.URL", c.URL, false, c.DangerouslyAllowHTTP),
	}
	u, err := url.Parse(c.Issuer)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		errs = append(errs, errors.New("oauth: DiscoverConfig.Issuer has a query"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("oauth: DiscoverConfig.Timeout is %v: must not be negative", c.Timeout))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	if c.URL != "" {
		return c.URL, nil
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	if c.OpenID {
		return origin + path + "/.well-known/openid-configuration", nil
	}
	return origin + "/.well-known/oauth-authorization-server" + path, nil
}

// metadata reads the answer.
func (a *answer) metadata(c DiscoverConfig) (*Metadata, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	issuer, ok := o.text("issuer")
	if !ok || issuer != c.Issuer {
		return nil, &auth.TokenError{Kind: auth.Protocol, Status: a.status, Err: errors.Join(ErrIssuer, a.describe("its issuer is another one"))}
	}
	m := &Metadata{
		Scopes:           o.texts("scopes_supported"),
		Grants:           o.texts("grant_types_supported"),
		AuthMethods:      o.texts("token_endpoint_auth_methods_supported"),
		AuthAlgorithms:   o.texts("token_endpoint_auth_signing_alg_values_supported"),
		ChallengeMethods: o.texts("code_challenge_methods_supported"),
	}
	m.Endpoints = Endpoints{
		Issuer:        issuer,
		RequireIss:    o.flag("authorization_response_iss_parameter_supported"),
		RequirePushed: o.flag("require_pushed_authorization_requests"),
	}
	fields := []struct {
		name string
		to   func(*Endpoints) *string
	}{
		{"token_endpoint", func(e *Endpoints) *string { return &e.Token }},
		{"authorization_endpoint", func(e *Endpoints) *string { return &e.Authorization }},
		{"device_authorization_endpoint", func(e *Endpoints) *string { return &e.Device }},
		{"revocation_endpoint", func(e *Endpoints) *string { return &e.Revocation }},
		{"pushed_authorization_request_endpoint", func(e *Endpoints) *string { return &e.PushedAuthorization }},
	}
	read := func(o object, name string, to *string) error {
		s, ok := o.text(name)
		if !ok || checkEndpoint(name, s, false, c.DangerouslyAllowHTTP) != nil {
			return a.invalid("its " + name + " is not a URL that credentials can be sent to")
		}
		if s != "" {
			*to = s
		}
		return nil
	}
	errs := []error{read(o, "jwks_uri", &m.JWKS)}
	for _, f := range fields {
		errs = append(errs, read(o, f.name, f.to(&m.Endpoints)))
	}
	m.MTLS = m.Endpoints
	if raw, ok := o["mtls_endpoint_aliases"]; ok && string(raw) != "null" {
		aliases, err := parseObject(raw)
		if err != nil {
			return nil, a.invalid("its mtls_endpoint_aliases: " + err.Error())
		}
		for _, f := range fields {
			errs = append(errs, read(aliases, f.name, f.to(&m.MTLS)))
		}
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}
