package httpx

import "net/http"

// Base returns next, or http.DefaultTransport when next is nil.
func Base(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		return http.DefaultTransport
	}
	return next
}

// CloseIdle calls next's CloseIdleConnections, if it has one.
// A middleware forwards its own with it, because http.Client looks no deeper
// than the outermost RoundTripper.
func CloseIdle(next http.RoundTripper) {
	if c, ok := next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Reject closes the body of a request that is not handed on, as RoundTrip must
// even when it fails.
func Reject(req *http.Request) {
	if req.Body != nil {
		// The caller learns why the request was refused; how closing its
		// unread body went changes nothing for it.
		_ = req.Body.Close()
	}
}
