package retry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Keys gives requests an idempotency key, by which a server that knows such
// keys tells the repetition of a request from a second order. It is immutable
// and safe for concurrent use. [Keys.Wrap] belongs above [Policy.Wrap]:
//
//	holdfast.Chain(nil, keys.Wrap, retries.Wrap)
//
// Use it only for servers that honour the field, and name them in
// KeysConfig.Hosts: a Policy repeats a request that has a key, and a server that
// does not know the field does the work twice.
//
// A key stands for one logical request. All attempts of a Policy below have the
// same, and so do the requests by which http.Client follows a redirect with the
// same method (307, 308), as long as they go to a host that gets keys. What is
// above Keys must leave Response.Request as the transport sets it. A request
// that the program sends again by itself, or with [Do], is another logical
// request; see [WithIdempotencyKey].
//
// A request that has the field already is sent as it is. For any other field
// than Idempotency-Key or X-Idempotency-Key the context tells the Policy below by
// which field a request with it may be repeated.
//
// The field's value is the bare key, as Stripe and PayPal expect it. The draft
// of the IETF (draft-ietf-httpapi-idempotency-key-header) makes it a string in
// double quotes: where a server insists on them, NewKey has to return them.
//
// A request that gets a key costs six allocations, a header of a few fields and
// the UUID among them, and one more for a field that nobody knows. Any other
// request costs none.
type Keys struct {
	header  string
	boxed   any  // header, as the context wants it
	known   bool // header alone makes a request idempotent
	methods []string
	hosts   []string // nil means all
	newKey  func() string
}

// NewKeys checks c and makes a Keys of it. Its error joins one error for each
// value that is wrong.
func NewKeys(c KeysConfig) (*Keys, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	k := &Keys{
		header:  http.CanonicalHeaderKey(c.Header),
		methods: slices.Clone(c.Methods),
		hosts:   slices.Clone(c.Hosts),
		newKey:  c.NewKey,
	}
	if k.header == "" {
		k.header = "Idempotency-Key"
	}
	if k.methods == nil {
		k.methods = []string{http.MethodPost, http.MethodPatch}
	}
	if k.newKey == nil {
		k.newKey = newUUID
	}
	k.boxed = k.header
	k.known = k.header == "Idempotency-Key" || k.header == "X-Idempotency-Key"
	return k, nil
}

// Wrap returns a RoundTripper that sends requests through next, with a key if
// they get one. A nil next means http.DefaultTransport.
//
// The RoundTripper keeps the contract of http.RoundTripper; a request that gets
// a key is cloned. For a key that cannot be sent the error is a [*KeyError].
func (k *Keys) Wrap(next http.RoundTripper) http.RoundTripper {
	return &keyTransport{keys: k, next: httpx.Base(next)}
}

// ownKey holds, in a context, the caller's own idempotency key.
type ownKey struct{ httpx.OfRequest }

// WithIdempotencyKey returns a context whose request has this idempotency key
// instead of one from KeysConfig.NewKey. It is for a program that may repeat the
// call itself: in a loop, in [Do], or after a crash, when only a key that was
// stored with the order, or follows from it, is still the same.
//
// The context is for one logical request, its attempts and redirects; two orders
// with one key are one order to the server. It changes neither which requests
// get a key nor one that the request has in its header.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, ownKey{}, key)
}

// KeyError is returned for a request whose idempotency key cannot be sent,
// because it is empty or has characters outside of visible ASCII. Without the
// key a repetition might do harm, so the request was not sent at all.
type KeyError struct {
	// Header is the name of the field.
	Header string
	// Key is the value that it would have had.
	Key string
}

// Error names the field and shows the beginning of the key.
func (e *KeyError) Error() string {
	return fmt.Sprintf("retry: the idempotency key %.64q for the field %s must be visible ASCII and not empty", e.Key, e.Header)
}

// NotSent is true.
func (e *KeyError) NotSent() bool { return true }

// Retryable is false: the caller has to mend the key.
func (e *KeyError) Retryable() bool { return false }

type keyTransport struct {
	keys *Keys
	next http.RoundTripper
}

// RoundTrip sends req with its key.
func (t *keyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	k := t.keys
	if !k.covers(req) {
		return t.next.RoundTrip(req)
	}
	if name, key := k.carried(req.Header); name != "" {
		if key != "" && !idempotent(req) {
			req = req.WithContext(context.WithValue(req.Context(), keyField{}, name))
		}
		return t.next.RoundTrip(req)
	}
	key, err := k.choose(req)
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	if !k.known {
		ctx = context.WithValue(ctx, keyField{}, k.boxed)
	}
	clone := req.WithContext(ctx)
	clone.Header = req.Header.Clone()
	if clone.Header == nil {
		clone.Header = make(http.Header, 1)
	}
	clone.Header[k.header] = []string{key}
	return t.next.RoundTrip(clone)
}

// CloseIdleConnections forwards to the transport below.
func (t *keyTransport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *keyTransport) Unwrap() http.RoundTripper { return t.next }

// covers reports whether req gets a key, by its method and host.
func (k *Keys) covers(req *http.Request) bool {
	if !slices.Contains(k.methods, methodOf(req)) {
		return false
	}
	if k.hosts == nil || req.URL == nil {
		return k.hosts == nil
	}
	host := req.URL.Hostname()
	return slices.ContainsFunc(k.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// methodOf returns the method of req, for which "" means GET.
func methodOf(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// carried returns the field's name as it stands in h, "" if it does not, and the
// key. Who writes to the map of a Header need not have canonicalised the name.
func (k *Keys) carried(h http.Header) (name, key string) {
	values, found := h[k.header]
	name = k.header
	if !found {
		name = ""
		for other := range h {
			if strings.EqualFold(other, k.header) {
				name, values = other, h[other]
				break
			}
		}
	}
	if len(values) > 0 {
		key = values[0]
	}
	return name, key
}

// choose returns the key for req. If there is none that can be sent, and if
// NewKey panics, the request's body is closed.
func (k *Keys) choose(req *http.Request) (string, error) {
	chosen := false
	defer func() {
		if !chosen {
			httpx.Reject(req)
		}
	}()
	key := k.redirected(req)
	if key == "" {
		own, ok := req.Context().Value(ownKey{}).(string)
		if key = own; !ok {
			key = k.newKey()
		}
	}
	if chosen = visible(key); !chosen {
		return "", &KeyError{Header: k.header, Key: key}
	}
	return key, nil
}

// redirected returns the key of the request that req repeats at another place;
// "" if it is not such a redirect. A hop in between to a host that gets no keys
// does not matter.
func (k *Keys) redirected(req *http.Request) string {
	for hop := range httpx.Hops(req) {
		// Another method is another request: a GET after 303 See Other.
		if hop == nil || methodOf(hop) != methodOf(req) {
			break
		}
		if _, key := k.carried(hop.Header); key != "" {
			return key
		}
	}
	return ""
}

// visible reports whether s has visible ASCII characters only, and any at all.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// newUUID returns a random UUID: version 4, variant 10 (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
