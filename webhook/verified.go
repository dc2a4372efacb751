package webhook

import (
	"crypto/sha256"
	"time"
)

// Verified is what a good signature has proved about a request. It is a value,
// and the zero value proves nothing.
type Verified struct {
	// Scheme is the name of the scheme.
	Scheme string
	// KeyID is the ID of the key that fits; of several, the first.
	KeyID string
	// Timestamp is when the provider says that it signed. It is zero if the
	// scheme has no timestamp.
	Timestamp time.Time

	// TimestampSigned says whether the signature covers Timestamp. If not,
	// nothing but an ID or a Fingerprint tells a replay from the original.
	TimestampSigned bool
	// IDSigned says whether the signature covers ID. If not, whoever has one
	// request can send it again under any ID: remember the Fingerprint, too.
	IDSigned bool
	// BodySigned says whether the signature covers each byte of the body. If
	// not, the body is a hint: ask the provider before acting on it.
	BodySigned bool

	key     *key
	id      string
	idPaths string // where the ID is in body, if it is there
	body    []byte
	content *content // what is signed, if it is not body
}

// content is what a signature covers beside the time.
type content struct {
	all    []byte
	events [][]byte // of each event in a batch, if they are signed one by one
}

// ID is what the provider sends again when it sends an event again, "" if it has
// no such thing. Where the provider puts it into the body, each call looks for
// it there, which costs about as much as one pass over the body. It is not
// looked for in the events of a batch, see [Event].
func (v Verified) ID() string {
	if v.id != "" || v.idPaths == "" {
		return v.id
	}
	doc, err := parseJSON(v.body)
	if err != nil {
		return ""
	}
	id, err := doc.textsAt(v.idPaths)
	if err != nil {
		return ""
	}
	return id
}

// WithID returns v with an ID, and whether the signature covers it. It is for
// the authors of a Scheme.Verify.
func (v Verified) WithID(id string, signed bool) Verified {
	v.id, v.idPaths, v.IDSigned = id, "", signed
	return v
}

// Fingerprint is the SHA-256 of the body or, where the signature does not cover
// the body, of what it covers beside the time. Whoever repeats a request cannot
// change it. It is computed anew on each call.
func (v Verified) Fingerprint() [sha256.Size]byte {
	if v.content != nil {
		return sha256.Sum256(v.content.all)
	}
	return sha256.Sum256(v.body)
}
