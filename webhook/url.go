package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// A publicURL is Config.URL.
type publicURL struct {
	text       string
	scheme     string
	host, port string // the port with its colon
	rest       string // path and query
	query      string
	whole      bool // it has a path of its own
}

func parsePublicURL(s string) (publicURL, error) {
	if s == "" {
		return publicURL{}, errors.New("is empty: the scheme signs it")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "":
		return publicURL{}, errors.New("is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return publicURL{}, errors.New("must begin with https:// or http:// and a host")
	case u.User != nil:
		return publicURL{}, errors.New("must have no user and password")
	case strings.Contains(s, "#"):
		return publicURL{}, errors.New("must have no fragment")
	}
	p := publicURL{text: s, scheme: u.Scheme, query: u.RawQuery}
	if u.Port() != "" {
		p.port = ":" + u.Port()
	}
	p.host = strings.TrimSuffix(u.Host, p.port)
	authority := s[len(u.Scheme)+len("://"):]
	if n := strings.IndexAny(authority, "/?"); n >= 0 {
		p.rest, p.whole = authority[n:], true
	}
	return p, nil
}

// readURL finds the URL that the provider may have signed, in the forms that
// are tried.
func (c *check) readURL() error {
	e := c.engine
	rest := e.url.rest
	if e.url.whole {
		more, ok := c.queryBeyond(e.url.query)
		if !ok {
			return e.refuse(ErrMalformed, "the query of the request is not that of Config.URL")
		}
		rest += more
	} else {
		rest = c.req.RequestURI
		if !strings.HasPrefix(rest, "/") && c.req.URL != nil {
			rest = c.req.URL.RequestURI()
		}
		if !legalTarget(rest) {
			return e.refuse(ErrMalformed, "the URL has characters that must be escaped")
		}
	}
	c.urls = c.urls[:0]
	add := func(s string) {
		if !slices.Contains(c.urls, s) {
			c.urls = append(c.urls, s)
		}
	}
	origin := e.url.scheme + "://" + e.url.host
	add(origin + e.url.port + rest)
	if has(e.parts, decodedURLPart) {
		add(decodeSome(origin + e.url.port + rest))
	}
	if e.scheme.AnyPort {
		add(origin + rest)
		if e.url.port == "" && e.url.scheme == "https" {
			add(origin + ":443" + rest)
		} else if e.url.port == "" {
			add(origin + ":80" + rest)
		}
	}
	return nil
}

// bodyHash is the query parameter that Twilio adds to the URL for a body that
// is no form.
const bodyHash = "bodySHA256="

// queryBeyond returns what the query of the request has beyond the configured
// one, which can be a bodyHash only. A request without a query is one from
// which a proxy has removed it.
func (c *check) queryBeyond(configured string) (string, bool) {
	if c.req.URL == nil || c.req.URL.RawQuery == "" || c.req.URL.RawQuery == configured {
		return "", true
	}
	rest, ok := strings.CutPrefix(c.req.URL.RawQuery, configured)
	if !ok || !has(c.engine.parts, formPart) {
		return "", false
	}
	separator := "?"
	if configured != "" {
		separator = "&"
		rest, ok = strings.CutPrefix(rest, "&")
	}
	hash, isHash := strings.CutPrefix(rest, bodyHash)
	if !ok || !isHash || len(hash) != hex.EncodedLen(sha256.Size) {
		return "", false
	}
	return separator + rest, true
}

// legalTarget reports whether a path and query have only characters that RFC
// 3986 allows there. The beginning of a JSON body is not among them, so that
// it cannot be moved into the URL that is signed in front of it.
func legalTarget(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/?%", b) >= 0) {
			return false
		}
	}
	return s != ""
}

// decodeSome decodes the escapes that HubSpot decodes before it signs, in the
// path and the query, and no others.
func decodeSome(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return strings.NewReplacer(
		"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$",
		"%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
		"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
	).Replace(s)
}

// maxParameters bounds those of a form.
const maxParameters = 1000

// readForm computes what stands for {form}.
func (c *check) readForm() error {
	e := c.engine
	c.form = c.form[:0]
	query := ""
	if len(c.urls) > 0 {
		_, query, _ = strings.Cut(c.urls[0], "?")
	}
	for parameter := range strings.SplitSeq(query, "&") {
		hash, ok := strings.CutPrefix(parameter, bodyHash)
		if !ok {
			continue
		}
		sum := sha256.Sum256(c.body)
		if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(hash)) != 1 {
			return e.refuse(ErrBadSignature, "the body is not the one whose hash is in the URL")
		}
		return nil
	}
	if len(c.body) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(c.req.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return e.refuse(ErrMalformed, "the body is not a form, and its hash is not in the URL")
	}
	values, err := url.ParseQuery(string(c.body))
	if err != nil || len(values) > maxParameters {
		return e.refuse(ErrMalformed, "the form cannot be read")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		slices.Sort(values[name])
		for _, value := range slices.Compact(values[name]) {
			c.form = append(append(c.form, name...), value...)
		}
	}
	return nil
}
