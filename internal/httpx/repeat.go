package httpx

import (
	"errors"
	"net"
	"net/http"
)

// Safe reports whether the method of req only reads (RFC 9110, section 9.2.1).
func Safe(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// Idempotent reports whether the server may see req more than once: by its
// method (RFC 9110, section 9.2.2), or by an idempotency key, which net/http
// honours too.
func Idempotent(req *http.Request) bool {
	return Safe(req) || req.Method == http.MethodPut || req.Method == http.MethodDelete || known(req)
}

// known reports whether req has an idempotency key that net/http knows.
func known(req *http.Request) bool {
	return HasKey(req, "Idempotency-Key") || HasKey(req, "X-Idempotency-Key")
}

// HasKey reports whether req has a key in the field of that canonical name. As
// in net/http, a field without a value is a wish to be repeated; an empty value
// is no key.
func HasKey(req *http.Request, name string) bool {
	values, ok := req.Header[name]
	return ok && (len(values) == 0 || values[0] != "")
}

// NotSent reports whether err proves that the server has not seen req, which is
// nil if nobody knows it: the error has a method NotSent that says so, or it has
// no such method and dialling failed, be it to a proxy.
//
// A failure to dial proves nothing if req has an idempotency key. When a server
// dies on a connection that was used before, after it has carried out the
// request, net/http by itself looks for another one. It does so for a safe method
// too, but there it makes no difference.
func NotSent(req *http.Request, err error) bool {
	if unsent, says := saysNotSent(err); says {
		return unsent // also if it is about more than a failure to dial
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && (e.Op == "dial" || e.Op == "proxyconnect") && (req == nil || Safe(req) || !known(req))
}
