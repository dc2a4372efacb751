package fallback

import (
	"context"
	"net/http"
	"strconv"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Header is the field of a degraded answer that names the [Answer] it came
// from. It is removed from answers of the upstream that are none, so that it
// can't be forged; [Degraded] does not depend on it.
const Header = "Holdfast-Fallback"

// markKey finds the mark in the context of a degraded answer's request.
type markKey struct{}

// mark belongs to one request only: a request that is made from the context of
// another has its mark too, and is not degraded for that.
type mark struct{ request *http.Request }

// Degraded reports whether resp is a degraded answer of any [Fallback]. It looks
// at resp.Request, which what stands above must leave alone, and at nothing that
// an upstream can send. resp may be nil.
func Degraded(resp *http.Response) bool {
	if resp == nil || resp.Request == nil {
		return false
	}
	m, ok := resp.Request.Context().Value(markKey{}).(*mark)
	return ok && m.request == resp.Request
}

// markAs makes resp a degraded answer to req of the Answer with this name. The
// request of resp becomes a copy, the header too: a user's Func may have made
// resp of parts that it shares.
func markAs(resp *http.Response, req *http.Request, name string) {
	if resp.Request != nil {
		req = resp.Request
	}
	m := &mark{}
	m.request = req.WithContext(context.WithValue(req.Context(), markKey{}, m))
	resp.Request = m.request
	resp.Header = resp.Header.Clone()
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	resp.Header.Set(Header, name)
}

// unforge removes the marks by which the answer to req looks degraded and is
// not: that of an upstream, and that of req itself, if it comes from a degraded
// answer and was sent once more.
func unforge(req *http.Request, resp *http.Response) {
	switch {
	case resp == nil:
		return
	case !Degraded(resp):
	case resp.Request != req:
		return // an inner Fallback has marked a copy
	default:
		resp.Request = req.WithContext(req.Context())
	}
	if _, ok := resp.Header[Header]; ok {
		resp.Header = resp.Header.Clone()
		resp.Header.Del(Header)
	}
}

// complete fills in what http.Client and others expect of a response.
func complete(resp *http.Response) {
	if resp.Status == "" {
		resp.Status = statusLine(resp.StatusCode)
	}
	if resp.ProtoMajor == 0 {
		resp.Proto, resp.ProtoMajor, resp.ProtoMinor = "HTTP/1.1", 1, 1
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if resp.ContentLength == 0 && httpx.HasBody(resp) {
		resp.ContentLength = -1
	}
}

// statusLine is the text of http.Response.Status.
func statusLine(status int) string {
	return strconv.Itoa(status) + " " + http.StatusText(status)
}
