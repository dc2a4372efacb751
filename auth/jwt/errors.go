package jwt

import (
	"errors"
	"fmt"
)

// ErrInvalid is what errors.Is finds in every [*Error].
var ErrInvalid = errors.New("jwt: invalid token")

// Error says why a token was refused. It carries nothing of the token, which
// is a credential, and which may have been written by an attacker.
type Error struct {
	// Reason is the check that failed.
	Reason Reason
	// Detail says more, in fixed words. It may be empty.
	Detail string
}

// Reason is the check that a token failed.
type Reason int

// The checks, in the order in which they are made.
const (
	// Malformed means that it is not a JWS in compact form, strictly read, or
	// that its claims have the wrong types.
	Malformed Reason = iota + 1
	// WrongType means that the header member "typ" is not the expected one, or
	// that "cty" says that another token is nested.
	WrongType
	// WrongAlgorithm means that the algorithm is not on the list.
	WrongAlgorithm
	// UnknownKey means that no key has the id, or none goes with the algorithm.
	UnknownKey
	// BadSignature means that no such key made the signature.
	BadSignature
	// WrongIssuer means that "iss" is missing or another.
	WrongIssuer
	// WrongAudience means that "aud" has none of the expected values.
	WrongAudience
	// Expired means that "exp" has passed, or is missing.
	Expired
	// NotYetValid means that "nbf" or "iat" lies in the future.
	NotYetValid
	// MissingScope means that the token lacks a scope. Only a [Verifier]'s
	// handler asks for scopes.
	MissingScope
)

// String returns the reason in a few words.
func (r Reason) String() string {
	switch r {
	case Malformed:
		return "malformed"
	case WrongType:
		return "wrong type"
	case WrongAlgorithm:
		return "algorithm not allowed"
	case UnknownKey:
		return "unknown key"
	case BadSignature:
		return "bad signature"
	case WrongIssuer:
		return "wrong issuer"
	case WrongAudience:
		return "wrong audience"
	case Expired:
		return "expired"
	case NotYetValid:
		return "not yet valid"
	case MissingScope:
		return "missing scope"
	}
	return "unknown"
}

// Error names the reason and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("jwt: invalid token: %v", e.Reason)
	}
	return fmt.Sprintf("jwt: invalid token: %v: %s", e.Reason, e.Detail)
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// KeysError says that a token could not be verified because its keys could not
// be had. It says nothing about the token: a server answers 503 and not 401.
type KeysError struct {
	// Err is what the [KeySource] said.
	Err error
}

// Error says what the key source said.
func (e *KeysError) Error() string { return fmt.Sprintf("jwt: no keys to verify with: %v", e.Err) }

// Unwrap returns Err.
func (e *KeysError) Unwrap() error { return e.Err }

// Retryable is true: the keys may be there the next time.
func (e *KeysError) Retryable() bool { return true }
