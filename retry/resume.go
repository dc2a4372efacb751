package retry

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// DefaultMaxResumes is the default of ResumeConfig.MaxResumes.
const DefaultMaxResumes = 3

// ResumeConfig says what a [Resume] does. Its zero value can be used.
type ResumeConfig struct {
	// MaxResumes is how many continuations one answer gets at most, however far
	// each of them comes. What a [Policy] below repeats of one continuation does
	// not count here. 0 means [DefaultMaxResumes]; it must not be negative.
	MaxResumes int

	// Hooks are told of decisions.
	Hooks ResumeHooks
}

// Resume continues answers that break off in their body: it asks for the bytes
// that are missing (RFC 9110, section 14) and puts them behind those that the
// caller has read already. Nothing is buffered.
//
// It belongs above a [Policy], so that each continuation is itself a request
// that is repeated:
//
//	holdfast.Chain(nil, resume.Wrap, policy.Wrap)
//
// Anything that changes bodies, such as a decoder, belongs above both.
//
// # What is continued
//
// Only the answer 200 to a GET that has neither a body nor a Range field of the
// caller's own. The server must say which version of the representation it
// sent, so that bytes of two versions are never mixed: by a strong entity tag
// or, if it sends no tag at all, by a Last-Modified that is at least a minute
// older than its Date. Not continued are answers that say Accept-Ranges: none,
// event streams, and answers that net/http has decompressed unasked: their bytes
// are not those that the server counts. Set DisableCompression of
// http.Transport, or an Accept-Encoding in the request, to have such answers
// continued.
//
// # What the caller sees
//
// The answer as it came, with a Body that reads on after the break. The Read
// that meets the break blocks until the continuation's header has arrived; the
// request's context bounds it, and a Close from another goroutine ends it. The
// trailers are those of the last part.
//
// The continuation must be a 206 that starts at the missing byte, of the same
// version, length and coding. Any other answer is thrown away, and the Read
// returns the error that the break had, or the context's cause if that has ended
// meanwhile. A body is never longer than the complete length, and ends with
// io.EOF only there.
//
// A Resume is immutable and safe for concurrent use, and one can serve any
// number of clients.
type Resume struct {
	maxResumes int
	hooks      ResumeHooks
}

// NewResume checks c and makes a Resume of it.
func NewResume(c ResumeConfig) (*Resume, error) {
	if c.MaxResumes < 0 {
		return nil, fmt.Errorf("retry: ResumeConfig.MaxResumes is %d: must not be negative", c.MaxResumes)
	}
	r := &Resume{maxResumes: c.MaxResumes, hooks: c.Hooks}
	if r.maxResumes == 0 {
		r.maxResumes = DefaultMaxResumes
	}
	return r, nil
}

// Wrap returns a RoundTripper that sends requests through next, and the
// requests for what is missing of their answers too. A nil next means
// http.DefaultTransport. What can't be continued passes untouched; an answer
// that can be costs one small allocation.
func (r *Resume) Wrap(next http.RoundTripper) http.RoundTripper {
	return &resumer{resume: r, next: httpx.Base(next)}
}

type resumer struct {
	resume *Resume
	next   http.RoundTripper
}

// RoundTrip sends req, and gives the answer a body that can be continued.
func (t *resumer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp == nil || resp.StatusCode != http.StatusOK ||
		resp.Body == nil || resp.Body == http.NoBody || !whole(req) {
		return resp, err
	}
	version, obstacle := resumable(resp)
	if obstacle != 0 && t.resume.hooks.GiveUp == nil {
		return resp, nil
	}
	resp.Body = newResumeBody(t, req, resp, version, obstacle)
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (t *resumer) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *resumer) Unwrap() http.RoundTripper { return t.next }

// whole reports whether req simply asks for a whole representation.
func whole(req *http.Request) bool {
	_, part := req.Header["Range"]
	return !part && (req.Method == "" || req.Method == http.MethodGet) &&
		(req.Body == nil || req.Body == http.NoBody)
}

// resumable returns the version of the representation in resp, fit for
// If-Range, or the reason why the rest of it could not be asked for.
func resumable(resp *http.Response) (string, ResumeReason) {
	if resp.Uncompressed {
		return "", ResumeDecompressed
	}
	if streams(resp) || multipart(resp) {
		return "", ResumeStream
	}
	for _, v := range resp.Header["Accept-Ranges"] {
		if strings.EqualFold(strings.Trim(v, " \t"), "none") {
			return "", ResumeNoRanges
		}
	}
	version := versionOf(resp.Header)
	strong := strongDate(resp.Header)
	if len(resp.Header["Etag"]) > 0 {
		strong = strongTag(version)
	}
	if !strong {
		return "", ResumeNoValidator
	}
	return version, 0
}

// versionOf returns what names the version of a representation: its entity tag
// or, only if it has none (RFC 9110, section 13.1.5), its Last-Modified. It is
// empty if there is neither, or more than one.
func versionOf(h http.Header) string {
	values := h["Etag"]
	if len(values) == 0 {
		values = h["Last-Modified"]
	}
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// strongTag reports whether s is an entity tag that is not weak (RFC 9110,
// section 8.8.3).
func strongTag(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c <= ' ' || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}

// strongAge is by how much a date has to precede the answer to be taken for a
// strong validator. RFC 9110, section 8.8.2.2 asks for a second and advises more
// where clocks may differ; a minute is what RFC 7232 asked for.
const strongAge = time.Minute

// strongDate reports whether nothing can have changed since the Last-Modified of
// an answer without changing that too.
func strongDate(h http.Header) bool {
	modified, date := h["Last-Modified"], h["Date"]
	if len(modified) != 1 || len(date) != 1 {
		return false
	}
	then, err := http.ParseTime(modified[0])
	if err != nil {
		return false
	}
	now, err := http.ParseTime(date[0])
	return err == nil && now.Sub(then) >= strongAge
}
