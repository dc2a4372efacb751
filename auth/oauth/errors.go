package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// AnswerError describes an answer that is not what the protocol allows. It is
// the Err of an [*auth.TokenError]. It never has the body.
type AnswerError struct {
	// Endpoint is the URL, without userinfo and query.
	Endpoint string
	// Status is that of the answer.
	Status int
	// ContentType is that of the answer, cut short.
	ContentType string
	// Length is the number of bytes in the body, as far as it was read.
	Length int
	// Reason says what is wrong.
	Reason string
}

// Error tells all of it.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("oauth: %s: the answer is of no use: %s (status %d, content type %q, %d bytes)",
		e.Endpoint, e.Reason, e.Status, e.ContentType, e.Length)
}

// errorAt is an error about one value of a list in a config.
func errorAt(field string, i int, what string) error {
	return fmt.Errorf("oauth: %s[%d] %s", field, i, what)
}

// kindOf sorts the status of an answer.
func kindOf(status int) auth.Kind {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return auth.Transient
	case status >= http.StatusBadRequest:
		return auth.Permanent
	}
	return auth.Protocol
}

// kindOfCode sorts an error code; what it does not know it leaves to the status.
func kindOfCode(code string, status int) auth.Kind {
	switch code {
	case "temporarily_unavailable", "server_error", "slow_down", "authorization_pending":
		return auth.Transient
	}
	return kindOf(status)
}

// transportError makes a TokenError of the error of a request that has no
// answer. Whatever it was, it can be expected to pass.
func transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &auth.TokenError{Kind: auth.Canceled, Err: context.Cause(ctx)}
	}
	if e, ok := errors.AsType[*auth.TokenError](err); ok {
		return e // from the source of an assertion or a subject token
	}
	e := &auth.TokenError{Kind: auth.Transient, Err: err}
	if u, ok := errors.AsType[*unpreparedError](err); ok {
		e.Err = u.err
		if r, ok := errors.AsType[interface {
			error
			Retryable() bool
		}](u.err); ok && !r.Retryable() {
			e.Kind = auth.Permanent
		}
	}
	e.Wait = httpx.RetryAfter(err)
	return e
}

// reauth is the error of a login that has come to an end.
func reauth(why string) *auth.TokenError {
	return &auth.TokenError{Kind: auth.Permanent, Description: why, Err: auth.ErrReauthRequired}
}

// printable returns at most limit bytes of s, with a space for whatever is not
// printable ASCII.
func printable(s string, limit int) string {
	b := []byte(s[:min(len(s), limit)])
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}
