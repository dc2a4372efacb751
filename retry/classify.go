package retry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/header"
)

// idempotentKey marks a context made by Idempotent.
type idempotentKey struct{}

// Idempotent returns a context whose requests may be repeated whatever their
// method: sending them twice does what sending them once does.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// idempotent reports whether the server may see req more than once: by its
// method (RFC 9110, section 9.2.2), by an idempotency key, which net/http
// honours too, or because the caller says so.
func idempotent(req *http.Request) bool {
	if safe(req) || req.Method == http.MethodPut || req.Method == http.MethodDelete {
		return true
	}
	if _, ok := req.Header["Idempotency-Key"]; ok {
		return true
	}
	if _, ok := req.Header["X-Idempotency-Key"]; ok {
		return true
	}
	return req.Context().Value(idempotentKey{}) != nil
}

// safe reports whether the method of req only reads (RFC 9110, section 9.2.1).
func safe(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// statusOverloaded is what Anthropic, Notion and others send when overloaded.
const statusOverloaded = 529

// failedStatus reports whether the status of resp, which may be nil, is one
// that may be followed by a good one.
func failedStatus(req *http.Request, resp *http.Response) bool {
	if resp == nil || resp.StatusCode < http.StatusBadRequest {
		return false
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly,
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, statusOverloaded:
		return true
	case http.StatusInternalServerError:
		return safe(req)
	}
	return false
}

// Errors from below say by these methods what package retry can't know.
type (
	retryable interface {
		error
		Retryable() bool
	}
	retryAfter interface {
		error
		RetryAfter() time.Duration
	}
	notSent interface {
		error
		NotSent() bool
	}
)

// verdict is what an attempt's outcome means.
type verdict struct {
	reason Reason        // why it can't be repeated; 0 if it can
	asked  time.Duration // the wait that the server or the error wants; 0 if none
}

// judge classifies a failed attempt: err is the transport error, or what is
// wrong with resp if it is not the status.
func judge(req *http.Request, resp *http.Response, err error) verdict {
	var v verdict
	if err != nil && permanent(req, err) {
		v.reason = NotRetryable
		return v
	}
	if !idempotent(req) && (resp != nil || !neverSent(err)) {
		v.reason = NotIdempotent
		return v
	}
	if e, ok := errors.AsType[retryAfter](err); ok {
		v.asked = e.RetryAfter()
	} else if resp != nil {
		v.asked, _ = header.RetryAfter(resp.Header, time.Now())
	}
	return v
}

// permanent reports whether err would only happen again, or nobody waits any
// more for anything else. It goes by types, never by text.
func permanent(req *http.Request, err error) bool {
	if req.Context().Err() != nil {
		return true
	}
	if e, ok := errors.AsType[retryable](err); ok {
		return !e.Retryable()
	}
	if _, ok := errors.AsType[*backoff.PermanentError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.IsNotFound && !e.IsTemporary && !e.IsTimeout
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch) || !transportable(req)
}

// transportable reports whether the URL is one that an HTTP transport can
// dial: for any other it fails at once, with errors that have no type.
func transportable(req *http.Request) bool {
	return req.URL != nil && req.URL.Host != "" &&
		(req.URL.Scheme == "http" || req.URL.Scheme == "https")
}

// neverSent reports whether err proves that the server has seen nothing of the
// request: there was no connection, or something below refused it.
func neverSent(err error) bool {
	if e, ok := errors.AsType[notSent](err); ok && e.NotSent() {
		return true
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}
