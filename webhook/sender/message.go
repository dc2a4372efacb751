package sender

import (
	"crypto/rand"
	"strings"
)

// Message is what is to be delivered to an endpoint.
type Message struct {
	// Endpoint names the endpoint: 1 to 128 letters, digits, "_", "-" and ":".
	// It appears in errors and logs.
	Endpoint string

	// ID is the webhook-id, by which the receiver tells a second delivery from
	// the first: the same on each attempt, and unique for the endpoint. It is
	// made of the same characters as Endpoint. Empty means a new one. An event
	// that goes to several endpoints has one ID and a Message for each.
	ID string

	// ContentType is that of the body. Empty means "application/json".
	ContentType string

	// Body is sent as it is. It belongs to the caller again when the Message was
	// stored.
	Body []byte
}

const (
	defaultContentType = "application/json"
	maxName            = 128
)

// check returns what is wrong with m, "" if it is right.
func (m *Message) check(maxBody int) string {
	switch {
	case !isName(m.Endpoint):
		return "has an Endpoint that is no name"
	case !isName(m.ID):
		return "has an ID that is no name"
	case !isFieldValue(m.ContentType):
		return "has a ContentType that is none"
	case len(m.Body) > maxBody:
		return "has a Body that is too large"
	}
	return ""
}

// isName reports whether s can be signed, sent and logged as it is. A dot
// would move the boundary between the ID and the timestamp in what is signed.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '_' && c != '-' && c != ':' {
			return false
		}
	}
	return true
}

func isFieldValue(s string) bool {
	return s != "" && len(s) <= maxName && strings.TrimSpace(s) == s && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// newID returns 130 random bits.
func newID() string { return "msg_" + rand.Text() }
