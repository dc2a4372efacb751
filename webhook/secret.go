package webhook

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows of itself.
const redacted = "[redacted]"

// Secret is a text that must not be printed: fmt, log/slog, encoding/json and
// their like show "[redacted]" for it, wherever it is stored. It is immutable.
// The zero value is no secret, and is refused wherever one is needed.
type Secret struct {
	// A closure hides the text from those who print by reflection, too.
	reveal func() string
}

// NewSecret returns text as a Secret. It is taken as it is: what it must look
// like depends on what it is for, so it is checked there.
func NewSecret(text string) Secret {
	return Secret{reveal: func() string { return text }}
}

// Reveal returns the text, which is "" for the zero value.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]". There is no way back.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
