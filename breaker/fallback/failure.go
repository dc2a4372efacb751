package fallback

import (
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
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
	// last attempt alone proves nothing. So a failure to dial is no proof if the
	// request has an idempotency key, for then net/http may have sent it before. So
	// it may one that only reads, but there a failure to dial counts. For the
	// Answers that are asked after a [To] it says the same of that upstream too.
	NotSent bool
}

// judge reports whether what came of req is a failure, and which.
func (f *Fallback) judge(req *http.Request, resp *http.Response, err error) (Failure, bool) {
	switch {
	case err != nil:
		return Failure{Err: err, NotSent: httpx.NotSent(req, err)}, true
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

// reads reports whether req is a GET or a HEAD.
func reads(req *http.Request) bool {
	return req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
}
