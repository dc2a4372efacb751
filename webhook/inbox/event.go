package inbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The longest that an event may be, in bytes. [Inbox.Put] refuses longer ones
// with an [*EventError].
const (
	MaxBody   = 64 << 20
	MaxHeader = 64 << 10 // names and values together
	MaxName   = 1 << 10  // each of Source, ID, Type and Key
)

// Event is something that somebody has told us, after the signature was
// verified. What was not verified does not belong into an inbox: whoever can
// put an event with an ID can make the true one look like a duplicate.
type Event struct {
	// Source says who has sent it, such as "stripe". It must be set. The IDs of
	// one source say nothing about those of another; a program with many tenants
	// makes the tenant part of it, as in "stripe/acct_7".
	Source string
	// ID is what stays the same when the source sends the event again, "" if
	// there is no such thing. Then Fingerprint alone tells what is the same.
	ID string
	// IDSigned says whether the signature covers ID. If not, whoever has one
	// event can send it again under any ID, or none, so that events with the
	// same Fingerprint are the same, too, whatever their ID.
	IDSigned bool
	// Type is the kind of event in the words of the source. It may be empty.
	Type string
	// Key names what the order of events matters for, such as an account: those
	// of one Source and Key are handled one after the other, in the order in
	// which they were stored. "" means that order does not matter.
	Key string
	// Body is the event as it came. It may be empty. It must not be changed
	// while Put runs.
	Body []byte
	// Header is stored with it. It should hold no credentials.
	Header http.Header
	// Received is when it came. The zero value means now. It is kept to the
	// microsecond.
	Received time.Time
	// Fingerprint is a hash of what the signature covers, apart from the time.
	// The zero value means the SHA-256 of Body.
	Fingerprint [sha256.Size]byte
}

// Hash names an event or a lane in a [Store]. The zero value names none.
type Hash [sha256.Size]byte

// String returns h in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// newHash hashes the parts so that no two lists of parts have the same hash:
// each stands behind its length, and what tells the uses apart.
func newHash(use string, parts ...string) Hash {
	b := make([]byte, 0, 256) // enough for most
	add := func(part string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	add(use)
	for _, part := range parts {
		add(part)
	}
	return sha256.Sum256(b)
}

// entry returns what is stored of e, which came at the time now if it does not
// say when. reused says what becomes of an ID that comes with another content.
func (e *Event) entry(now time.Time, reused Reused) Entry {
	if e.Fingerprint == ([sha256.Size]byte{}) {
		e.Fingerprint = sha256.Sum256(e.Body)
	}
	if e.Received.IsZero() {
		e.Received = now
	}
	e.Received = e.Received.Truncate(time.Microsecond)
	content := string(e.Fingerprint[:])
	var entry Entry
	if e.ID == "" || !e.IDSigned {
		// Whoever can change an ID can leave it out as well.
		entry.Content = newHash("content", e.Source, content)
		entry.Dedupe = entry.Content
	}
	if e.ID != "" {
		entry.Dedupe = newHash("id", e.Source, e.ID)
		if reused == QuarantineReused {
			entry.Reuse = newHash("reuse", e.Source, e.ID, content)
		}
	}
	if e.Key != "" {
		entry.Lane = newHash("lane", e.Source, e.Key)
	}
	// The hashes are of what came, the store gets what it can keep.
	for _, text := range []*string{&e.Source, &e.ID, &e.Type, &e.Key} {
		*text = strings.ReplaceAll(strings.ToValidUTF8(*text, "\uFFFD"), "\x00", "\uFFFD")
	}
	entry.Event = *e
	return entry
}

// check returns what is wrong with e, "" if nothing is.
func (e *Event) check() string {
	if e.Source == "" {
		return "has no Source"
	}
	for _, f := range []struct{ name, value string }{{"Source", e.Source}, {"ID", e.ID}, {"Type", e.Type}, {"Key", e.Key}} {
		if len(f.value) > MaxName {
			return fmt.Sprintf("has a %s of %d bytes: must be at most %d", f.name, len(f.value), MaxName)
		}
	}
	if len(e.Body) > MaxBody {
		return fmt.Sprintf("has a Body of %d bytes: must be at most %d", len(e.Body), MaxBody)
	}
	size := 0
	for name, values := range e.Header {
		size += len(name)
		for _, value := range values {
			size += len(value)
		}
	}
	if size > MaxHeader {
		return fmt.Sprintf("has a Header of %d bytes: must be at most %d", size, MaxHeader)
	}
	// What microseconds since 1970 can hold, by far.
	if year := e.Received.Year(); !e.Received.IsZero() && (year < 1970 || year > 9999) {
		return fmt.Sprintf("was Received in the year %d", year)
	}
	return ""
}
