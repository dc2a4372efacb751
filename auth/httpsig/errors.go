package httpsig

import (
	"errors"
	"fmt"
)

// ErrInvalid is what errors.Is finds in every [*Error].
var ErrInvalid = errors.New("httpsig: invalid signature")

// Error says why a message was refused. It carries no key and no signature.
type Error struct {
	// Reason is the check that failed.
	Reason Reason
	// Detail says more, and may quote the name of a component. It may be empty.
	Detail string
}

// Reason is the check that a message failed.
type Reason int

// The checks.
const (
	// Missing means that there is no signature with the label or tag.
	Missing Reason = iota + 1
	// Malformed means that the signature fields cannot be read.
	Malformed
	// NotCovered means that the signature leaves out what it must cover.
	NotCovered
	// OutOfTime means that the signature is too old, has expired, or was
	// made in the future.
	OutOfTime
	// BadSignature means that no key of that id has made the signature, be it
	// that there is no such id.
	BadSignature
	// BadBody means that the body is too long or not the one that was signed.
	BadBody
	// Replayed means that the nonce was refused.
	Replayed
)

// String returns the reason in a few words.
func (r Reason) String() string {
	switch r {
	case Missing:
		return "no signature"
	case Malformed:
		return "malformed"
	case NotCovered:
		return "not all is covered"
	case OutOfTime:
		return "out of time"
	case BadSignature:
		return "bad signature"
	case BadBody:
		return "bad body"
	case Replayed:
		return "replayed"
	}
	return "unknown"
}

// Error names the reason and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("httpsig: invalid signature: %v", e.Reason)
	}
	return fmt.Sprintf("httpsig: invalid signature: %v: %s", e.Reason, e.Detail)
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// SignError says that a request could not be signed. Nothing of it was sent.
type SignError struct {
	// Err is why.
	Err error
}

// Error says why.
func (e *SignError) Error() string { return fmt.Sprintf("httpsig: sign: %v", e.Err) }

// Unwrap returns Err.
func (e *SignError) Unwrap() error { return e.Err }

// NotSent is true: the server has seen nothing of the request.
func (e *SignError) NotSent() bool { return true }

// Retryable is false: the request would fail the same way again.
func (e *SignError) Retryable() bool { return false }
