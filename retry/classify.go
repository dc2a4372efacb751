package retry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Attempt is the outcome of one attempt, for Config.Classify.
type Attempt struct {
	// Request is the caller's. Read it only.
	Request *http.Request
	// Number counts the attempts of the call from 1.
	Number int
	// Response is the answer, with its body unread; nil after an error. Its
	// body must be left as it is.
	Response *http.Response
	// Err is the transport's error; nil if there is a Response.
	Err error
	// NeverSent says that the server has certainly seen nothing of the request.
	// A failure to dial does not say so of one with an idempotency key: net/http
	// may have sent it before, on a connection that died. That may be so with one
	// that only reads, too, but there a failure to dial counts.
	NeverSent bool
}

// Verdict is what an attempt's outcome means.
type Verdict int

// The verdicts of Config.Classify.
const (
	// ByDefault leaves the decision to the policy.
	ByDefault Verdict = iota
	// Accept ends the call with this outcome.
	Accept
	// Stop calls the outcome a failure that is not repeated.
	Stop
	// RetryIfSafe repeats the request if it is idempotent or was never sent.
	RetryIfSafe
	// RetryAnyway repeats the request whatever its method.
	RetryAnyway
)

var verdicts = [...]string{
	ByDefault:   "by default",
	Accept:      "accept",
	Stop:        "stop",
	RetryIfSafe: "retry if safe",
	RetryAnyway: "retry anyway",
}

// String returns the verdict in a few words.
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdicts) {
		return "unknown"
	}
	return verdicts[v]
}

// idempotent reports whether the server may see req more than once: by its
// method or an idempotency key, also one in a field that Keys alone knows, or
// because the caller says so.
func idempotent(req *http.Request) bool {
	if httpx.Idempotent(req) {
		return true
	}
	ctx := req.Context()
	if name, ok := ctx.Value(keyField{}).(string); ok && httpx.HasKey(req, name) {
		return true
	}
	return ctx.Value(idempotentKey{}) != nil
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
		if httpx.Safe(req) {
			return true
		}
	}
	return shouldRetry(resp.Header) == "true"
}

// shouldRetry is the server's own word on repeating: "true", "false" or
// nothing that counts. OpenAI and Stripe send it.
func shouldRetry(h http.Header) string {
	for _, name := range [...]string{"X-Should-Retry", "Stripe-Should-Retry"} {
		if values := h[name]; len(values) > 0 {
			if hint := strings.ToLower(strings.TrimSpace(values[0])); hint == "true" || hint == "false" {
				return hint
			}
		}
	}
	return ""
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

// askedBy returns the wait that the error or the answer wants; 0 if none.
func askedBy(resp *http.Response, err error) time.Duration {
	if e, ok := errors.AsType[retryAfter](err); ok {
		return e.RetryAfter()
	}
	if resp == nil {
		return 0
	}
	wait, _ := header.RetryAfter(resp.Header, time.Now)
	return wait
}

// permanent reports whether err would only happen again, or nobody waits any
// more for anything else. It goes by types, never by text.
func permanent(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
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
	return errors.Is(err, http.ErrSchemeMismatch)
}

// transportable reports whether an HTTP transport can send req: any other it
// refuses at once, with errors that have no type.
func transportable(req *http.Request) bool {
	return req.URL != nil && req.URL.Host != "" &&
		(req.URL.Scheme == "http" || req.URL.Scheme == "https") &&
		(req.Method == "" || header.IsToken(req.Method)) &&
		wellFormed(req.Header) && wellFormed(req.Trailer)
}

// wellFormed reports whether the names of h are tokens and its values free of
// control characters (RFC 9110, section 5.5), as net/http wants them.
func wellFormed(h http.Header) bool {
	for name, values := range h {
		if !header.IsToken(name) {
			return false
		}
		for _, v := range values {
			for i := range len(v) {
				if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
					return false
				}
			}
		}
	}
	return true
}
