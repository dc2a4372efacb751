package fallback

import (
	"errors"
	"net"
	"net/http"
)

// Failure is what went wrong below.
type Failure struct {
	// Status is that of the response; 0 if there was none.
	Status int
	// Err is the transport's error, or what Check said of the response; nil if
	// the status alone is the failure.
	Err error
	// NotSent says that the upstream has certainly seen nothing of the request:
	// the error has a method NotSent that says so, as that of an open circuit
	// has, or it has no such method and dialling failed. A layer below that sends
	// a request more than once has to have the method, as package retry has: the
	// last attempt alone proves nothing.
	NotSent bool
}

// judge reports whether resp and err are a failure, and which.
func (f *Fallback) judge(resp *http.Response, err error) (Failure, bool) {
	switch {
	case err != nil:
		return Failure{Err: err, NotSent: notSent(err)}, true
	case resp == nil:
		return Failure{}, false // http.Client has a word for such a transport
	case resp.StatusCode >= http.StatusBadRequest && resp.StatusCode < http.StatusInternalServerError:
		return Failure{}, false
	case failedStatus(resp.StatusCode):
		return Failure{Status: resp.StatusCode}, true
	case f.check == nil:
		return Failure{}, false
	}
	err = f.check(resp)
	return Failure{Status: resp.StatusCode, Err: err}, err != nil
}

// statusOverloaded is what Anthropic, Notion and others send when overloaded.
const statusOverloaded = 529

// failedStatus reports whether status says that the server, and not the
// request, is at fault, and that this may pass. What a server does not
// implement (501, 505) is not that.
func failedStatus(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, statusOverloaded:
		return true
	}
	return false
}

// notSent reports whether err proves that the upstream has not seen the request.
func notSent(err error) bool {
	if e, ok := errors.AsType[interface {
		error
		NotSent() bool
	}](err); ok {
		return e.NotSent() // also if it is about more than a failure to dial
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// reads reports whether req is a GET or a HEAD.
func reads(req *http.Request) bool {
	return req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
}

// safe reports whether the method of req only reads (RFC 9110, section 9.2.1).
func safe(req *http.Request) bool {
	return reads(req) || req.Method == http.MethodOptions || req.Method == http.MethodTrace
}

// idempotent reports whether req may be carried out more than once: by its
// method (RFC 9110, section 9.2.2) or by an idempotency key.
func idempotent(req *http.Request) bool {
	if safe(req) || req.Method == http.MethodPut || req.Method == http.MethodDelete {
		return true
	}
	return hasKey(req, "Idempotency-Key") || hasKey(req, "X-Idempotency-Key")
}

// hasKey reports whether req has a key in the field of that canonical name. As
// in net/http, a field without a value is a wish to be repeated; an empty value
// is no key.
func hasKey(req *http.Request, name string) bool {
	values, ok := req.Header[name]
	return ok && (len(values) == 0 || values[0] != "")
}
