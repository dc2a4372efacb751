package retry

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// sendTrace learns from net/http whether an attempt got as far as a
// connection. It costs a few allocations, so only requests that may not be sent
// twice have one.
type sendTrace struct {
	hooks   httptrace.ClientTrace
	asked   atomic.Bool // the transport looked for a connection to the request's host
	strange atomic.Bool // the context was used for a connection to another one
	got     atomic.Bool // there was a connection, or something was written to one
}

// traced returns req with a trace of its own.
func traced(req *http.Request) (*http.Request, *sendTrace) {
	t := &sendTrace{}
	t.hooks.GetConn = func(hostPort string) {
		if hostPort == addressOf(req) {
			t.asked.Store(true)
		} else {
			t.strange.Store(true)
		}
	}
	t.hooks.GotConn = func(httptrace.GotConnInfo) { t.got.Store(true) }
	// Not every protocol that a transport may switch to reports GotConn.
	t.hooks.TLSHandshakeDone = func(_ tls.ConnectionState, err error) {
		if err == nil {
			t.got.Store(true)
		}
	}
	t.hooks.WroteHeaders = func() { t.got.Store(true) }
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &t.hooks)), t
}

// addressOf returns host and port of req's server as net/http names them to
// GetConn if it uses no proxy. With one it names the proxy, which could be any
// other host: then only the error of the dialling proves something.
func addressOf(req *http.Request) string {
	if req.URL == nil {
		return ""
	}
	port := req.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[req.URL.Scheme]
	}
	return net.JoinHostPort(req.URL.Hostname(), port)
}

// noConnection reports whether there never was a connection that could have
// carried the request: dialling failed, or the TLS handshake. A nil trace knows
// nothing.
func (t *sendTrace) noConnection() bool {
	return t != nil && t.asked.Load() && !t.strange.Load() && !t.got.Load()
}

// connected reports whether there was a connection. Then an error that says
// that nothing was sent may be that of something else, such as the reading of
// the request's body.
func (t *sendTrace) connected() bool { return t != nil && t.got.Load() }

// refused reports whether something below has refused the attempt, such as an
// open circuit: nothing was sent, and nothing can be held against the server.
func refused(err error) bool {
	return httpx.SaysRefused(err)
}

// neverSent reports whether err proves that the server has not seen req, or has
// not acted on it and never will. A nil req is one that is not known.
func neverSent(req *http.Request, err error, trace *sendTrace) bool {
	if e, ok := errors.AsType[streamError](err); ok && e.Code == refusedStream {
		return true
	}
	if trace.connected() {
		return false
	}
	if _, ok := errors.AsType[notSent](err); !ok && trace.noConnection() {
		return true
	}
	return httpx.NotSent(req, err)
}

// refusedStream is REFUSED_STREAM: the server has not processed the request at
// all (RFC 9113, sections 7 and 8.7).
const refusedStream = 7

// streamError has the shape of the HTTP/2 stream error of net/http, which fills
// in any struct like it through its As method.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error makes streamError a target of errors.As.
func (streamError) Error() string { return "HTTP/2 stream error" }
