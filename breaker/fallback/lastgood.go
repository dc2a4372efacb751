package fallback

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// The defaults of [LastGoodConfig].
const (
	DefaultMaxBytes       = 16 << 20
	DefaultMaxAnswerBytes = 1 << 20
	DefaultMaxAge         = time.Hour
	DefaultMaxKeys        = 1000
)

// LastGoodConfig says what a [LastGood] remembers, and for how long. The zero
// value can be used.
type LastGoodConfig struct {
	// MaxBytes bounds the memory of all answers together: bodies, header fields
	// and what it takes to find them. The oldest answer goes first. What is
	// being read and not yet remembered comes on top: for each body that is open
	// its header and, as the copy grows, up to about twice MaxAnswerBytes. 0 means
	// [DefaultMaxBytes].
	MaxBytes int64

	// MaxAnswerBytes bounds the body of one answer; a longer one is not
	// remembered. It is at most MaxBytes. 0 means [DefaultMaxAnswerBytes], or
	// MaxBytes if that is less.
	MaxAnswerBytes int64

	// MaxAge is how long after it arrived an answer may be served, at most a
	// year. 0 means [DefaultMaxAge].
	MaxAge time.Duration

	// MaxKeys bounds the number of answers. 0 means [DefaultMaxKeys].
	MaxKeys int

	// Partition names whom the answer to a request is for, besides what the
	// request shows: requests with different names never share an answer. It
	// must be set where a layer below adds the credentials. If they are the same
	// for all requests, or do not matter, a Partition that returns "" says so.
	// It is called after each call and must be safe for concurrent use. The
	// name is only kept as a keyed hash.
	Partition func(*http.Request) string

	// IgnoreHeaders names request header fields, without regard to case, that
	// differ from call to call and do not matter for the answer, such as a trace
	// ID. Those of W3C Trace Context, B3, X-Ray, Datadog, Jaeger, Sentry and
	// Google, X-Request-Id, Request-Id, X-Correlation-Id, Correlation-Id,
	// Cache-Control, Pragma, If-None-Match and If-Modified-Since are ignored
	// anyway. Baggage, which Sentry and OpenTelemetry send too, is not: it may
	// name a tenant. A field that looks like a credential is an error.
	IgnoreHeaders []string
}

// LastGood answers a GET or HEAD with the last good answer to the same GET, from
// memory. The answer has an Age field (RFC 9111, section 5.1), and its
// Cache-Status (RFC 9211) says what the status of the upstream was, that it gave
// no answer, or that it was not asked, as when a circuit is open.
//
// # What is remembered
//
// The answer 200 to a GET, once the caller has read its body to the end. A body
// that was cut off or closed before its end is not remembered, and nor is one
// whose end only the end of the connection marks. A json.Decoder stops before
// the end: when an HTTP/2 answer has no Content-Length, only a further read, such
// as io.Copy(io.Discard, resp.Body), comes to it. Not remembered are the answers
// to requests with a body or a Range field, answers with trailers, event
// streams, degraded answers, answers for which request or response say no-store,
// or whose Vary names an ignored field or "*". Set-Cookie and the fields of the
// connection are left out. Other rules of Cache-Control do not bind it: this is
// no cache that acts unasked but what the program has chosen over an error, and
// says so in the answer.
//
// Any other answer to the same request but 304, 408, 425 and 429, such as 404 or
// 403, has the last good one forgotten: what is gone, or not allowed any more, is
// not served. So does the success of a method that writes to the same URL, whoever
// wrote. An answer to what was asked before that is not remembered either, when
// it has been read.
//
// # Whose answer it is
//
// It is served to a request that has the same URL, Host, userinfo, and all the
// same header fields but those that are ignored, and the same Partition. So
// nobody gets an answer that a credential, a tenant's name or a preference of
// somebody else has brought forth, whatever the field is called. The price is
// that a field with a new value in each request, if it is not ignored, makes
// every request another one: the snapshot then shows Passed and no Served. A
// token that is renewed does so each time; let a layer below add it, and set
// LastGoodConfig.Partition.
//
// A credential that a layer below adds is not seen when the failure comes. Where
// one is, answers are not remembered unless LastGoodConfig.Partition is set, and
// Memory.Hidden counts them. It is noticed if the layer is that of package auth,
// or Response.Request shows it. That of a connection, such as a client
// certificate, is not: transports that have different ones need a LastGood each.
//
// A request with Cache-Control: no-cache or Pragma: no-cache is not served from
// memory. No URL, credential or other part of a request is kept, but a hash
// (HMAC-SHA-256) with a key of its own, which is never stored.
//
// The same LastGood in several Fallbacks is one memory.
func LastGood(c LastGoodConfig) Answer {
	err := c.validate()
	c.MaxBytes = cmp.Or(c.MaxBytes, DefaultMaxBytes)
	c.MaxAnswerBytes = cmp.Or(c.MaxAnswerBytes, min(DefaultMaxAnswerBytes, c.MaxBytes))
	c.MaxAge = cmp.Or(c.MaxAge, DefaultMaxAge)
	c.MaxKeys = cmp.Or(c.MaxKeys, DefaultMaxKeys)
	m := &memory{config: c, ignored: ignoredFields(c.IgnoreHeaders)}
	_, _ = rand.Read(m.secret[:]) // it never fails
	m.init()
	return Answer{name: "last-good", source: m, err: err}
}

// validate returns one error for each field that is wrong, joined.
func (c *LastGoodConfig) validate() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("LastGoodConfig.%s is %v: %s", field, value, reason))
		}
	}
	const negative = "must not be negative"
	wrong(c.MaxBytes < 0, "MaxBytes", c.MaxBytes, negative)
	wrong(c.MaxAnswerBytes < 0, "MaxAnswerBytes", c.MaxAnswerBytes, negative)
	total := cmp.Or(c.MaxBytes, DefaultMaxBytes)
	wrong(c.MaxAnswerBytes > max(0, total), "MaxAnswerBytes", c.MaxAnswerBytes, "must not be more than MaxBytes")
	wrong(c.MaxAge < 0 || c.MaxAge > longest, "MaxAge", c.MaxAge, "must be between 0 and a year")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, negative)
	for i, name := range c.IgnoreHeaders {
		field := fmt.Sprintf("IgnoreHeaders[%d]", i)
		wrong(!header.IsToken(name), field, strconv.Quote(name), "must be a token (RFC 9110, section 5.6.2)")
		wrong(secretField(name), field, name, "must not be a credential, or one caller gets the answer of another")
	}
	return errors.Join(errs...)
}

const longest = 365 * 24 * time.Hour

// answer serves what is remembered.
func (m *memory) answer(c *call) (*http.Response, error) {
	req := c.req
	if !takesPart(req) || hasDirective(req.Header, "Cache-Control", "no-cache") || hasDirective(req.Header, "Pragma", "no-cache") {
		return nil, nil
	}
	now := time.Now()
	e := m.get(m.identify(req), now)
	if e == nil {
		return nil, nil
	}
	resp := e.response()
	resp.Header.Set("Age", strconv.FormatInt(int64((e.age+now.Sub(e.received))/time.Second), 10))
	resp.Header.Add("Cache-Status", cacheStatus(c.failure))
	if len(e.body) > 0 && req.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(e.body))
	}
	return resp, nil
}

// cacheStatus is a member of the list Cache-Status (RFC 9211, section 2). The
// parameter hit says that nothing was forwarded. Without fwd-status the upstream
// is taken to have sent the status of this answer, and there is no value for one
// that has sent none: detail says it.
func cacheStatus(f Failure) string {
	switch {
	case f.NotSent:
		return "holdfast; hit; detail=last-good"
	case f.Status == 0:
		return "holdfast; fwd=stale; detail=last-good-no-answer"
	}
	return fmt.Sprintf("holdfast; fwd=stale; fwd-status=%d; detail=last-good", f.Status)
}

// learn remembers resp, when it has been read, or forgets what it has made
// untrue. The conditions of a are those of the memory.
func (m *memory) learn(t trip, resp *http.Response, a Answer) {
	req := t.req
	if !httpx.Safe(req) {
		if resp.StatusCode < http.StatusBadRequest && req.URL != nil {
			m.forgetURL(m.hashURL(req))
		}
		return
	}
	if Degraded(resp) || !takesPart(req) || !a.covers(req) || (req.Method == http.MethodHead && resp.StatusCode == http.StatusOK) {
		return
	}
	id := m.identify(req)
	switch {
	case !m.keepable(req, resp, t.added != nil && t.added.Load()):
		if !saysNothing(resp.StatusCode) {
			m.forget(id)
		}
	case httpx.HasBody(resp):
		resp.Body = &copier{ReadCloser: resp.Body, memory: m, entry: newEntry(id, t.asked, resp), length: resp.ContentLength}
	default:
		m.put(newEntry(id, t.asked, resp))
	}
}

// saysNothing reports whether an answer of this status leaves open what the
// answer would be another time.
func saysNothing(status int) bool {
	return slices.Contains([]int{
		http.StatusNotModified, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
	}, status)
}
