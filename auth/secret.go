package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for every secret that is printed.
const redacted = "[redacted]"

// Secret is a string that prints as [redacted], whatever prints it: all verbs of
// package fmt, log/slog, encoding/json, encoding/xml and whatever else knows
// encoding.TextMarshaler, also deep inside a struct, in exported fields or in
// others. [Secret.Reveal] is the only way out for them. A debugger sees it all the
// same, and so does what follows pointers by reflection and asks no methods, as
// the diff of a failed assertion of testify does: do not compare real tokens
// there.
//
// The zero value is the empty secret. Secrets are immutable, cheap to copy and
// safe for concurrent use. They cannot be compared with ==, which would tell by
// its time how much is right; see [Secret.Equal].
type Secret struct {
	_ [0]func() // not comparable
	// Behind a pointer, because package fmt calls no method of an unexported
	// field, but prints the address and not what is there.
	value *string
}

// NewSecret makes a Secret of s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{value: &s}
}

// Reveal returns the secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal reports whether the two are the same. How long it takes tells their
// lengths at most, not how much of them is the same.
func (s Secret) Equal(other Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns [redacted], or nothing for the empty secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	// Format has no way to report an error.
	_, _ = io.WriteString(f, s.String())
}

// LogValue is String for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String does. There is no way back: a Secret cannot
// be unmarshalled.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns what String does, as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
