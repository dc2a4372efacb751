package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

var (
	// ErrReauthRequired is what errors.Is finds in an error that only the user
	// can end, by logging in again.
	ErrReauthRequired = errors.New("auth: the user has to log in again")

	// ErrInsecure is what errors.Is finds in the error of a request that was
	// not sent because its credentials would have gone over plain HTTP.
	ErrInsecure = errors.New("auth: refusing to send credentials over plain HTTP")

	// ErrClosed is what errors.Is finds in the errors of a closed [Cache].
	ErrClosed = errors.New("auth: closed")
)

// Kind says what to do about a [TokenError].
type Kind int

const (
	// Transient means: trying again later can help.
	Transient Kind = iota + 1
	// Permanent means: it fails until somebody changes something, such as the
	// client's secret or the user's consent.
	Permanent
	// Protocol means: the answer was not one that the protocol allows.
	Protocol
	// Canceled means: the caller's context has ended, or the Source was closed.
	Canceled
)

// String returns the kind in a word.
func (k Kind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Permanent:
		return "permanent"
	case Protocol:
		return "protocol"
	case Canceled:
		return "canceled"
	}
	return "unknown"
}

// TokenError says why there is no token. One error may be returned to many
// callers: do not change it.
type TokenError struct {
	// Kind says what to do about it.
	Kind Kind
	// Code is the server's error code (RFC 6749, section 5.2), if it sent one.
	Code string
	// Description is the server's, or this library's, text for people.
	Description string
	// Status is that of the server's answer; 0 if there was none.
	Status int
	// Wait is how long not to ask again; 0 if that is not known.
	Wait time.Duration
	// Err is the cause, nil if there is none that says more.
	Err error `json:"-"`
}

// The lengths beyond which texts of a server are cut.
const (
	maxCode        = 64
	maxDescription = 200
)

// Error tells the kind and the facts. What a server sent is cut short and has
// no control characters. Of URLs in Err it prints neither userinfo nor the
// values of the query.
func (e *TokenError) Error() string {
	var b strings.Builder
	b.WriteString("auth: no token: " + e.Kind.String() + " failure")
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(", " + printable(e.Code, maxCode))
	}
	if e.Description != "" {
		fmt.Fprintf(&b, " (%s)", printable(e.Description, maxDescription))
	}
	if e.Wait > 0 {
		fmt.Fprintf(&b, ", next try in %v", e.Wait.Round(time.Millisecond))
	}
	if e.Err != nil {
		b.WriteString(": " + redactError(e.Err, nil).Error())
	}
	return b.String()
}

// GoString keeps %#v from looking inside.
func (e *TokenError) GoString() string { return e.Error() }

// Unwrap returns Err, without secrets in its URLs.
func (e *TokenError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return redactError(e.Err, nil)
}

// reauthCodes are the error codes that only the user can make go away: of RFC
// 6749, section 5.2, of RFC 8628, section 3.5, of OpenID Connect Core, section
// 3.1.2.6, and GitHub's own.
var reauthCodes = []string{
	"invalid_grant", "expired_token", "bad_refresh_token", "interaction_required", "login_required", "account_selection_required", "consent_required",
}

// Is makes errors.Is(err, ErrReauthRequired) true for the error codes that only
// the user can make go away, also where they came with the status of a success.
func (e *TokenError) Is(target error) bool {
	return target == ErrReauthRequired && (e.Kind == Permanent || e.Kind == Protocol) && slices.Contains(reauthCodes, e.Code)
}

// Retryable reports whether Kind is Transient.
func (e *TokenError) Retryable() bool { return e.Kind == Transient }

// RetryAfter is Wait.
func (e *TokenError) RetryAfter() time.Duration { return e.Wait }

// Timeout reports whether a time limit was the cause.
func (e *TokenError) Timeout() bool { return timedOut(e.Err) }

// Error is returned for a request that got no credentials, or none for its
// repetition after a 401.
type Error struct {
	// Origin is that of the request, such as "https://api.example.com".
	Origin string
	// Replay says that the request had been sent and answered with a 401.
	Replay bool
	// Err is why: mostly a [*TokenError].
	Err error `json:"-"`
}

// Error names the origin and the cause.
func (e *Error) Error() string {
	msg := "auth: no credentials for " + e.Origin
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// GoString keeps %#v from looking inside.
func (e *Error) GoString() string { return e.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// NotSent reports whether the server has seen nothing of the request.
func (e *Error) NotSent() bool { return !e.Replay }

// Retryable is what Err says about it. Any other error can be expected to go
// away, but for [ErrInsecure].
func (e *Error) Retryable() bool {
	if r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](e.Err); ok {
		return r.Retryable()
	}
	return !errors.Is(e.Err, ErrInsecure)
}

// Timeout reports whether a time limit was the cause. http.Client and url.Error
// ask for it.
func (e *Error) Timeout() bool { return timedOut(e.Err) }

func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// printable returns at most limit bytes of s, with a space for whatever is not
// printable ASCII (RFC 6749, section 5.2, allows no other).
func printable(s string, limit int) string {
	cut := len(s) > limit
	b := []byte(s[:min(len(s), limit)])
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = ' '
		}
	}
	if cut {
		return string(b) + "…"
	}
	return string(b)
}

// kindOf sorts an answer's status: what a token endpoint may send when it is
// not well, and the rest.
func kindOf(status int) Kind {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return Transient
	case status >= http.StatusBadRequest:
		return Permanent
	}
	return Protocol
}
