package fallback

import (
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// takesPart reports whether a LastGood has anything to do with req.
func takesPart(req *http.Request) bool {
	if !reads(req) || req.URL == nil || (req.Body != nil && req.Body != http.NoBody) {
		return false
	}
	_, part := req.Header["Range"]
	return !part && !hasDirective(req.Header, "Cache-Control", "no-store")
}

// keepable reports whether the answer resp to req may be remembered. It counts
// those that may not because a credential is hidden from it, as it is if a layer
// below has added one.
func (m *memory) keepable(req *http.Request, resp *http.Response, added bool) bool {
	switch {
	case resp.StatusCode != http.StatusOK,
		resp.ContentLength > m.config.MaxAnswerBytes,
		len(resp.Trailer) > 0,
		resp.Header.Get("Content-Range") != "",
		hasDirective(resp.Header, "Cache-Control", "no-store"),
		m.variesByIgnored(resp.Header),
		endless(resp):
		return false
	case m.config.Partition == nil && (added || secretsAdded(req, resp.Request)):
		m.hidden.Add(1)
		return false
	}
	return true
}

// variesByIgnored reports whether the answer depends on a request field that
// is not looked at (RFC 9110, section 12.5.5).
func (m *memory) variesByIgnored(h http.Header) bool {
	for name := range members(h["Vary"]) {
		if _, ok := m.ignored[http.CanonicalHeaderKey(name)]; ok || name == "*" {
			return true
		}
	}
	return false
}

// endless reports whether resp is an event stream, or does not show where its
// body ends.
func endless(resp *http.Response) bool {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if strings.EqualFold(strings.TrimSpace(media), "text/event-stream") {
		return true
	}
	// What ends with the connection may have been cut off (RFC 9112, section 8).
	// Decompression would notice.
	return resp.ContentLength < 0 && resp.ProtoMajor < 2 && !resp.Uncompressed && httpx.HasBody(resp) &&
		!slices.Contains(resp.TransferEncoding, "chunked")
}

// secretsAdded reports whether sent, what went to the upstream in the end, has
// credentials that req has not, in its header or its URL.
func secretsAdded(req, sent *http.Request) bool {
	if sent == nil || sent == req {
		return false
	}
	for name, values := range sent.Header {
		if secretField(name) && !slices.Equal(values, req.Header[name]) {
			return true
		}
	}
	if sent.URL == nil {
		return false
	}
	return sent.URL.User.String() != req.URL.User.String() ||
		sent.URL.RawQuery != req.URL.RawQuery &&
			!slices.Equal(secretQuery(sent.URL.RawQuery, nil), secretQuery(req.URL.RawQuery, nil))
}

// hasDirective reports whether the list field name of h has the directive, on
// any line, in any case, with or without an argument. A comma in a quoted
// argument is taken for one between members: it may find a directive that is
// not there, and never misses one that is.
func hasDirective(h http.Header, name, directive string) bool {
	for member := range members(h[name]) {
		found, _, _ := strings.Cut(member, "=")
		if strings.EqualFold(strings.TrimSpace(found), directive) {
			return true
		}
	}
	return false
}

// members yields the members of a list field (RFC 9110, section 5.6.1), without
// regard to quotes.
func members(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for member := range strings.SplitSeq(line, ",") {
				if member = strings.TrimSpace(member); member != "" && !yield(member) {
					return
				}
			}
		}
	}
}

// keptHeader returns the fields of an answer that are remembered: all but
// cookies, which are for once, and the fields of the connection (RFC 9111,
// section 3.1).
func keptHeader(h http.Header) http.Header {
	kept := h.Clone()
	if kept == nil {
		kept = http.Header{}
	}
	for name := range members(h["Connection"]) {
		kept.Del(name)
	}
	for _, name := range []string{
		"Age", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection",
		"Set-Cookie", "Set-Cookie2", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		kept.Del(name)
	}
	return kept
}
