package webhook

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The reasons of a refusal. errors.Is finds them in an [*Error].
var (
	// ErrNoSignature: the request has no signature of a version that the scheme
	// knows.
	ErrNoSignature = errors.New("webhook: no usable signature")
	// ErrMalformed: a part that the signature needs is missing, is there twice,
	// or does not have the form that the provider gives it.
	ErrMalformed = errors.New("webhook: malformed")
	// ErrBadSignature: no signature fits any of the keys.
	ErrBadSignature = errors.New("webhook: bad signature")
	// ErrTooOld: the signature is good, but was made too long ago.
	ErrTooOld = errors.New("webhook: too old")
	// ErrTooNew: the signature is good, but its time is too far in the future.
	ErrTooNew = errors.New("webhook: too far in the future")
	// ErrUnknownKey: there is no key for this request.
	ErrUnknownKey = errors.New("webhook: no key")
	// ErrKeys: the keys for this request could not be had. Another attempt may
	// succeed.
	ErrKeys = errors.New("webhook: keys unavailable")
	// ErrBodyTooLarge: the body is longer than is taken.
	ErrBodyTooLarge = errors.New("webhook: body too large")
	// ErrBodyConsumed: somebody had read the body before. That is a fault of the
	// program and not of the provider: what verifies must stand in front of
	// what parses.
	ErrBodyConsumed = errors.New("webhook: body was read before it could be verified")
)

// Error says why a request was refused. Its text names no secret and no
// expected signature, and quotes nothing from the request.
type Error struct {
	// Scheme is the name of the scheme.
	Scheme string
	// Reason is one of the reasons above.
	Reason error
	// Detail says more, in words of this package; it may be empty.
	Detail string
	// Skew is how far the signed time lies in the past, for ErrTooOld, or in the
	// future, negative, for ErrTooNew.
	Skew time.Duration
	// Err is the error of a func of the user, for ErrKeys.
	Err error
}

// Error names the scheme, the reason and the detail.
func (e *Error) Error() string {
	s := "webhook: " + e.Scheme + ": " + strings.TrimPrefix(e.Reason.Error(), "webhook: ")
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Skew != 0 {
		s += fmt.Sprintf(": off by %v", e.Skew.Round(time.Second))
	}
	return s
}

// Is makes errors.Is find the reason.
func (e *Error) Is(target error) bool { return target == e.Reason }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same request might be accepted later.
func (e *Error) Retryable() bool { return errors.Is(e.Reason, ErrKeys) }
