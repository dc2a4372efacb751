package fallback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// sum is a keyed hash of a part of a request.
type sum [sha256.Size]byte

// identity is what an answer is remembered by: the URL, and everything else by
// which a request may differ from another to that URL.
type identity struct{ url, asker sum }

// identify returns the identity of the answer to req.
func (m *memory) identify(req *http.Request) identity {
	return identity{url: m.hashURL(req), asker: m.hashAsker(req)}
}

func (m *memory) hashURL(req *http.Request) sum {
	u, host := req.URL, req.Host
	if strings.EqualFold(host, u.Host) {
		host = ""
	}
	d := m.newDigest()
	d.add("url")
	d.add(httpx.Origin(req).String(), host, u.Opaque, u.EscapedPath(), u.RawQuery)
	return d.end()
}

func (m *memory) hashAsker(req *http.Request) sum {
	partition := ""
	if m.config.Partition != nil {
		partition = m.config.Partition(req)
	}
	d := m.newDigest()
	d.add("asker")
	d.add(partition, req.URL.User.String())
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		if _, ok := m.ignored[http.CanonicalHeaderKey(name)]; !ok {
			d.add(name)
			d.add(req.Header[name]...)
		}
	}
	return d.end()
}

// digest hashes lists of strings so that no two sequences of lists are hashed
// alike. It goes back to where it came from by end.
type digest struct {
	home *sync.Pool
	hash hash.Hash
	text []byte
}

func (m *memory) newDigest() *digest {
	d, ok := m.digests.Get().(*digest)
	if !ok {
		d = &digest{home: &m.digests, hash: hmac.New(sha256.New, m.secret[:])}
	}
	return d
}

func (d *digest) add(list ...string) {
	d.text = binary.AppendVarint(d.text, int64(len(list)))
	for _, s := range list {
		d.text = binary.AppendVarint(d.text, int64(len(s)))
		d.text = append(d.text, s...)
	}
}

// end returns the hash, and wipes what was hashed.
func (d *digest) end() (s sum) {
	_, _ = d.hash.Write(d.text) // it never fails
	d.hash.Sum(s[:0])
	d.hash.Reset()
	clear(d.text)
	d.text = d.text[:0]
	d.home.Put(d)
	return s
}

// ignoredFields returns the names of the request header fields that do not
// matter for an answer, in canonical form: more and those that always are.
func ignoredFields(more []string) map[string]struct{} {
	fields := make(map[string]struct{})
	for _, name := range append([]string{
		"B3", "Cache-Control", "Correlation-Id", "If-Modified-Since", "If-None-Match", "Pragma", "Request-Id",
		"Sentry-Trace", "Traceparent", "Tracestate", "Uber-Trace-Id", "X-Amzn-Trace-Id",
		"X-B3-Flags", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Spanid", "X-B3-Traceid",
		"X-Cloud-Trace-Context", "X-Correlation-Id", "X-Datadog-Parent-Id",
		"X-Datadog-Sampling-Priority", "X-Datadog-Tags", "X-Datadog-Trace-Id", "X-Request-Id",
	}, more...) {
		fields[http.CanonicalHeaderKey(name)] = struct{}{}
	}
	return fields
}
