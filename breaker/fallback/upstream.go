package fallback

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// ToConfig says how a [To] sends requests. The zero value sends them through
// http.DefaultTransport, without the credentials of the first upstream.
type ToConfig struct {
	// Transport sends the requests. It has a stack of its own: wrap what the
	// other upstream needs, such as its own credentials, limits and circuit.
	// nil means http.DefaultTransport.
	Transport http.RoundTripper

	// CarryCredentials names header fields and query parameters, without regard
	// to case, that hold credentials and go to the other upstream all the same.
	// Name here only what both upstreams may know.
	CarryCredentials []string
}

// To sends the request to another upstream: base is its URL with scheme, host
// and, if it has one, a path that is put in front of the request's own. It has
// no query, fragment or userinfo. It stands in for every host that is asked: if
// these are several, say with [Answer.When] for which.
//
// A request is sent again only if that does no harm: its method is GET, HEAD,
// OPTIONS, TRACE, PUT or DELETE, it has an Idempotency-Key or X-Idempotency-Key
// field, or it was never sent: not to the first upstream, and not by a To that
// was asked before. It is taken that the upstreams are one service: a PUT, or a
// POST with a key, may reach all of them. Use [Answer.When] for a replica that
// only reads. A body must be there again, by GetBody or because Config.MaxBuffer
// holds it. Otherwise To passes.
//
// Credentials do not go to another origin (RFC 6454) unless they are named in
// ToConfig.CarryCredentials. Left out are the userinfo of the URL and all header
// fields whose name looks like that of a credential: Authorization,
// Proxy-Authorization, Cookie, and any that has in it one of the words
// authenticate, authorize, token, secret, password, credential, cookie, session,
// signature, assertion or apikey, or, as a part between hyphens, auth, key, jwt,
// sig and a few like them. So X-Api-Key and X-Auth-Token stay here, and so does
// Referer, which has the query of another request. The query is part of the
// question and is not changed: To passes if it has a parameter such as api_key,
// access_token, token, key, code or signature; not for a page_token. It passes for
// a request with trailers too. Paths and bodies are sent as they are, and so is a
// credential that nothing in its name shows, such as appid: keep the request here
// with [Answer.When], or have ToConfig.Transport take it off.
//
// The answer is used if its status is a 2xx or 304 and Config.Check has nothing
// against it. Any other is thrown away: what the other upstream refuses or does
// not have says nothing about the first. Set-Cookie fields of another origin are
// removed, as a cookie jar would take them for those of the first. Response.Request
// is the request that was sent there.
func To(base string, c ToConfig) Answer {
	u := &upstream{transport: httpx.Base(c.Transport), carry: slices.Clone(c.CarryCredentials)}
	return Answer{name: "to", source: u, err: u.parse(base)}
}

// upstream is the source of a To.
type upstream struct {
	base      url.URL
	origin    httpx.Key
	transport http.RoundTripper
	carry     []string
}

// parse takes over the base URL. Its errors do not show it: it may hold a
// password.
func (u *upstream) parse(base string) error {
	parsed, err := url.Parse(base)
	switch {
	case err != nil:
		return errors.New("the base URL of To is malformed")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Errorf("the base URL of To has the scheme %q: must be http or https", parsed.Scheme)
	case parsed.Hostname() == "":
		return errors.New("the base URL of To has no host")
	case parsed.User != nil:
		return errors.New("the base URL of To has userinfo: credentials belong to ToConfig.Transport")
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "":
		return errors.New("the base URL of To has a query or a fragment: must have neither")
	}
	u.base = *parsed
	u.origin = httpx.Origin(&http.Request{URL: parsed})
	return nil
}

func (u *upstream) answer(c *call) (*http.Response, error) {
	if !u.takes(c) {
		return nil, nil
	}
	target, host, header := u.target(c.req.URL), c.req.Host, c.req.Header
	foreign := httpx.Origin(c.req) != u.origin
	if foreign {
		target.User, host, header = nil, "", u.withoutSecrets(header)
	}
	// Last, because the body that GetBody opens has to be closed again.
	req, err := c.replay.Again(c.req.Context())
	if err != nil {
		return nil, err
	}
	req.URL, req.Host, req.Header = target, host, header
	if foreign && atHome(c.req) {
		// Else what adds credentials there would take the request for one that has
		// been redirected to another origin.
		req.Response = nil
	}
	resp, err := u.transport.RoundTrip(req)
	if err != nil || resp == nil {
		// It may have been carried out here, even if not by the first upstream.
		c.failure.NotSent = c.failure.NotSent && err != nil && httpx.NotSent(req, err)
		return nil, err
	}
	c.instead = resp // release closes it if Check panics
	if err := acceptable(resp, c.fallback.check); err != nil {
		c.instead = nil
		c.failure.NotSent = false
		httpx.Discard(resp)
		return nil, err
	}
	if _, ok := resp.Header["Set-Cookie"]; ok && foreign {
		resp.Header = resp.Header.Clone()
		resp.Header.Del("Set-Cookie")
	}
	return resp, nil
}

// atHome reports whether all redirects that have led to req, if any, are from its
// own origin.
func atHome(req *http.Request) bool {
	origin := httpx.Origin(req)
	for hop := range httpx.Hops(req) {
		if hop == nil || httpx.Origin(hop) != origin {
			return false
		}
	}
	return true
}

// takes reports whether the request of c may be sent to u.
func (u *upstream) takes(c *call) bool {
	req := c.req
	switch {
	case !httpx.Idempotent(req) && !c.failure.NotSent, !c.replay.Repeatable():
		return false
	case req.URL == nil || req.URL.Opaque != "" || (req.URL.Path != "" && req.URL.Path[0] != '/'):
		return false // such as OPTIONS *
	case httpx.Origin(req) == u.origin:
		return true
	}
	return len(req.Trailer) == 0 && len(secretQuery(req.URL.RawQuery, u.carry)) == 0
}

// target returns the URL that takes the place of from.
func (u *upstream) target(from *url.URL) *url.URL {
	to := *from
	to.Scheme, to.Host = u.base.Scheme, u.base.Host
	if from.Path == "" {
		to.Path, to.RawPath = u.base.Path, u.base.RawPath
		return &to
	}
	escaped := strings.TrimSuffix(u.base.EscapedPath(), "/") + from.EscapedPath()
	to.Path = strings.TrimSuffix(u.base.Path, "/") + from.Path
	// EscapedPath takes RawPath if it fits to Path, and else escapes Path.
	to.RawPath = escaped
	return &to
}

// withoutSecrets returns a copy of header for another origin.
func (u *upstream) withoutSecrets(header http.Header) http.Header {
	clean := make(http.Header, len(header))
	for name, values := range header {
		secret := secretField(name) || strings.EqualFold(name, "Referer") // that is a URL, with all of its query
		if !secret || containsFold(u.carry, name) {
			clean[name] = slices.Clone(values)
		}
	}
	return clean
}

// acceptable returns why the answer of another upstream is not used, or nil.
func acceptable(resp *http.Response, check func(*http.Response) error) error {
	if status := resp.StatusCode; (status < 200 || status > 299) && status != http.StatusNotModified {
		return fmt.Errorf("fallback: the other upstream answered with the status %d", status)
	}
	if check == nil {
		return nil
	}
	return check(resp)
}
