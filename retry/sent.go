package retry

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// sendTrace learns from net/http whether an attempt got as far as a
// connection. It costs a few allocations, so only requests that may not be sent
// twice have one.
type sendTrace struct {
	hooks httptrace.ClientTrace
	asked atomic.Bool // the transport looked for a connection, so it reports to us
	got   atomic.Bool
}

// traced returns req with a trace of its own.
func traced(req *http.Request) (*http.Request, *sendTrace) {
	t := &sendTrace{}
	t.hooks.GetConn = func(string) { t.asked.Store(true) }
	t.hooks.GotConn = func(httptrace.GotConnInfo) { t.got.Store(true) }
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &t.hooks)), t
}

// noConnection reports whether there certainly never was a connection that
// could have carried the request: dialling failed, or the TLS handshake, or a
// proxy. A nil trace knows nothing.
func (t *sendTrace) noConnection() bool {
	return t != nil && t.asked.Load() && !t.got.Load()
}

// refused reports whether something below has refused the attempt, such as an
// open circuit: nothing was sent, and nothing can be held against the server.
func refused(err error) bool {
	e, ok := errors.AsType[notSent](err)
	return ok && e.NotSent()
}

// neverSent reports whether err proves that the server has not seen the
// request, or has not acted on it and never will.
func neverSent(err error) bool {
	if refused(err) {
		return true
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return true
	}
	e, ok := errors.AsType[streamError](err)
	return ok && e.Code == refusedStream
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
