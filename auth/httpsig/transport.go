package httpsig

import (
	"context"
	"crypto"
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// transport signs each request on its way down.
type transport struct {
	next    http.RoundTripper
	maxBody int64
	// hash is what the digest of the body is made with; 0 if none is needed.
	hash crypto.Hash
	// sign adds the signature to a request whose header is its own. The digest
	// is nil if hash is 0.
	sign func(req *http.Request, digest []byte) error
}

// RoundTrip signs a copy of req and sends it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	signed := req.WithContext(req.Context())
	sent := false
	defer func() {
		// Also when a signer panics.
		if !sent {
			httpx.Reject(signed)
		}
	}()
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	if leftOrigin(req) {
		sent = true
		return t.next.RoundTrip(req)
	}
	if signed.Header = req.Header.Clone(); signed.Header == nil {
		signed.Header = make(http.Header)
	}
	var digest []byte
	if t.hash != 0 {
		var err error
		if digest, err = hashBody(signed, t.hash, t.maxBody); err != nil {
			return nil, &SignError{Err: err}
		}
	}
	if err := t.sign(signed, digest); err != nil {
		return nil, &SignError{Err: err}
	}
	sent = true
	return t.next.RoundTrip(signed)
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// leftOrigin reports whether req follows a redirect that led, at any step,
// to another origin than the one that the caller asked for, or to one that
// nobody knows. What the other origin asks us to sign is not what the caller
// wanted signed.
func leftOrigin(req *http.Request) bool {
	origin := httpx.Origin(req)
	for hop := range httpx.Hops(req) {
		if hop == nil || httpx.Origin(hop) != origin {
			return true
		}
	}
	return false
}
