package webhook

import (
	"net/http"
	"time"
)

// Scheme says how a provider signs its webhooks, as data. The functions that
// return one, such as [Stripe] and [GitHub], are the providers that this package
// knows; a Scheme for another can be written down in a few lines:
//
//	webhook.Scheme{
//		Name:      "acme",
//		Headers:   []string{"X-Acme-Signature"},
//		Versions:  []webhook.Version{{Prefix: "sha256=", Algorithm: webhook.HMACSHA256}},
//		Signed:    "{timestamp}.{body}",
//		Timestamp: webhook.Field{Header: "X-Acme-Timestamp"},
//	}
//
// [New] checks it. What decides about a request, such as the algorithm, is here
// and never in the request.
type Scheme struct {
	// Name is for errors and logs. It must not be empty.
	Name string

	// Headers are the names of the header fields that carry signatures. All of
	// their values are candidates, and one that fits is enough. A name that ends
	// in "#" stands for the numbered fields 1, 2, 3 and so on.
	Headers []string

	// Families, when not empty, are beginnings of header names, and all names of
	// fields in this Scheme are what follows them: with "svix-" and "webhook-",
	// "id" is svix-id or webhook-id. A request is read by the first family that
	// is complete, and must not contradict itself in another.
	Families []string

	// SignatureJSON is the path of the signature in the body, for providers that
	// put it there, instead of Headers. For paths see [Field].
	SignatureJSON string

	// Separator divides a signature header into items, such as "t=1" and "v1=…"
	// by ",". Blanks around an item do not count. A comma always divides, for
	// proxies join header lines with it; with a blank as Separator it does so
	// at the end of an item.
	Separator string

	// Versions are the kinds of signatures that are accepted, told apart by how
	// the item begins. Others are as if they were not there.
	Versions []Version

	// Encoding is how the bytes of a signature are written. Only the one
	// canonical form is accepted: no other case, padding or line break.
	Encoding Encoding

	// KeyFormat is how secrets are written.
	KeyFormat KeyFormat

	// MinSecret is the least number of bytes in a secret. 0 means 16.
	MinSecret int

	// Signed is what the signature covers: text with these in braces:
	//
	//	{body}        the body, exactly as it came
	//	{timestamp}   the text of Timestamp, exactly as it came
	//	{id}          the text of ID
	//	{method}      the method of the request
	//	{url}         the public URL, see Config.URL
	//	{decodedurl}  the same with those escapes decoded that HubSpot decodes
	//	{form}        the names and values of a form body, sorted, as Twilio does it
	//	{crc32}       the CRC-32 (IEEE) of the body, in decimal
	//	{json:path}   a value in the body, in which the text that follows the piece
	//	              must not occur
	//	{any:path}    a value in the body; at most once
	//
	// It is empty for Token, which signs nothing.
	Signed string

	// Timestamp is when the signature was made, and TimeFormat how that is
	// written. Without it nothing tells a replay from the original.
	Timestamp  Field
	TimeFormat TimeFormat

	// MaxAge and MaxSkew are how far in the past and in the future Timestamp may
	// lie. 0 means [DefaultMaxAge] and [DefaultMaxSkew]; a negative value means
	// that it does not matter.
	MaxAge, MaxSkew time.Duration

	// ID is what stays the same when the provider sends an event again,
	// DeliveryID what changes with each attempt, Type the kind of event.
	// Each of them may be absent.
	ID, DeliveryID, Type Field

	// Expect are header fields that, if they are there, must have this value.
	Expect map[string]string

	// AnyPort also tries the URL with its default port spelt out, or removed.
	AnyPort bool

	// Batch, when not nil, says that a body holds several events.
	Batch *Batch

	// Handshake, when not nil, answers the requests by which a provider checks
	// that the endpoint is ours. It gets every GET, and every POST that was
	// verified, and returns nil if the request is not for it.
	Handshake func(Handshake) *Reply

	// signsTokens says that Handshake signs texts of strangers, if they are
	// harmless, with the secret that signs events.
	signsTokens bool

	// Ack is the answer to an event that was taken. The zero value means 204
	// without a body.
	Ack Reply

	// MaxBody is the longest body, in bytes, that the provider sends.
	// 0 means [DefaultMaxBody].
	MaxBody int64

	// Verify, when not nil, does all the verifying, for schemes that cannot be
	// put in the form above, such as HTTP Message Signatures (RFC 9421). Of the
	// other fields that concern signatures and keys none may be set then, and
	// Config.Keys is not used. It must not read the body of the request and must
	// be safe for concurrent use; at is the time to compare timestamps with.
	Verify func(req *http.Request, body []byte, at time.Time) (Verified, error)
}

// The defaults of [Scheme].
const (
	DefaultMaxAge  = 5 * time.Minute
	DefaultMaxSkew = 5 * time.Minute
	DefaultMaxBody = 1 << 20

	defaultMinSecret = 16
)

// Version is one kind of signature.
type Version struct {
	// Prefix is how an item of this version begins, such as "v1=". It may be
	// empty.
	Prefix string
	// Algorithm is how it was made.
	Algorithm Algorithm
}

// Field is a place in a request. At most one of its fields is set; the zero
// value is nowhere.
type Field struct {
	// Header is the name of a header field. If the field is there twice the
	// request is refused.
	Header string
	// Item is the beginning of an item of the signature header, such as "t=".
	Item string
	// JSON is a path in the body, the names of members with dots between them.
	// A path that names an object with the same member twice finds nothing.
	// Several paths, with blanks between them, are several values, joined with
	// dashes.
	JSON string
}

// Batch says where the events in a body are.
type Batch struct {
	// JSON is the path of the array. Empty means that the body is the array, or
	// an object, which is an event alone.
	JSON string
	// ID and Type are paths within an element of it, as in [Field].
	ID, Type string
	// Signed says that each element has its own signature: then the paths of
	// the Scheme are paths within an element. The array must not be empty.
	Signed bool
}

// Algorithm is a way of making signatures. The zero value is none.
type Algorithm int

// The algorithms.
const (
	HMACSHA256 Algorithm = iota + 1
	HMACSHA1
	HMACSHA512
	// Ed25519 is that of RFC 8032, without a prehash.
	Ed25519
	// ECDSA is over the curve P-256 with SHA-256, the signature in ASN.1 DER.
	ECDSA
	// RSA is PKCS #1 v1.5 with SHA-256. Keys have at least 2048 bits.
	RSA
	// Token is no signature: the secret itself is in the header. Whoever sees
	// one request can forge all others.
	Token
)

// String returns the name of the algorithm.
func (a Algorithm) String() string {
	switch a {
	case HMACSHA256:
		return "HMAC-SHA256"
	case HMACSHA1:
		return "HMAC-SHA1"
	case HMACSHA512:
		return "HMAC-SHA512"
	case Ed25519:
		return "Ed25519"
	case ECDSA:
		return "ECDSA P-256 SHA-256"
	case RSA:
		return "RSA PKCS#1 v1.5 SHA-256"
	case Token:
		return "token"
	}
	return "no algorithm"
}

// secret reports whether the key of the algorithm is a shared secret.
func (a Algorithm) secret() bool { return a <= HMACSHA512 || a == Token }

// Encoding is how bytes are written as text.
type Encoding int

// The encodings. Hex, in lower case, is the zero value.
const (
	Hex Encoding = iota
	HexUpper
	Base64
	Base64URL
	RawBase64
	RawBase64URL
)

// KeyFormat is how a secret is written. Public keys have a format of their
// own, see [Key].
type KeyFormat int

const (
	// Verbatim means that the bytes of the text are the secret. It is the zero
	// value.
	Verbatim KeyFormat = iota
	// HexKey is hexadecimal.
	HexKey
	// StandardKey is that of Standard Webhooks: "whsec_" and base64. The prefix
	// may be absent.
	StandardKey
	// StandardOrVerbatim is StandardKey with the prefix, Verbatim without it.
	StandardOrVerbatim
)

// TimeFormat is how a timestamp is written.
type TimeFormat int

const (
	// UnixSeconds has digits only, at most 12, the first not 0. It is the zero
	// value.
	UnixSeconds TimeFormat = iota
	// UnixMillis has digits only, at most 15, the first not 0.
	UnixMillis
	// RFC3339 is a date and time with "T" and an offset or "Z".
	RFC3339
)
