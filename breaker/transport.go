package breaker

import (
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type transport struct {
	breaker *Breaker
	next    http.RoundTripper
}

// RoundTrip sends req if its circuit lets it, and sees to it that the circuit
// learns how it went.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call := passage{breaker: t.breaker, req: req}
	defer call.leave()
	if err := call.enter(); err != nil {
		return nil, err
	}
	call.sent = true
	call.outcome.start()
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp == nil {
		call.settle(call.outcome.blame(err))
		return resp, err
	}
	call.resp = resp
	switch v := t.breaker.judge(resp); {
	case v == Failure:
		call.settled = true
		call.outcome.report(Failure, resp.Header)
	case v == Neither:
		call.settle(Neither)
	case resp.StatusCode == http.StatusSwitchingProtocols || !httpx.HasBody(resp):
		// What becomes of an upgraded connection is no answer to this call.
		call.settle(Success)
	default:
		call.settled = true
		call.outcome.answered()
		httpx.Watch(resp, call.outcome)
	}
	call.resp = nil // it is the caller's now
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// judge says whether an answer counts against the upstream, as far as its
// header tells.
func (b *Breaker) judge(resp *http.Response) Verdict {
	if b.config.Check != nil {
		if err := b.config.Check(resp); err != nil {
			return b.classify(err)
		}
	}
	switch resp.StatusCode {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, statusOverloaded:
		return Failure
	}
	return Success
}

// statusOverloaded is not registered, but several large APIs answer with it.
const statusOverloaded = 529

// passage is one call's way through a circuit. Whatever happens on it, a panic
// of a callback or of the transport included, leave finds what is still owed.
type passage struct {
	breaker  *Breaker
	req      *http.Request
	outcome  outcome
	admitted bool
	sent     bool           // the request belongs to the transport below
	resp     *http.Response // to be closed if a callback panics
	settled  bool           // the circuit knows, or the response's body will tell it
}

// enter asks the circuit for admission.
func (p *passage) enter() error {
	b := p.breaker
	p.outcome = outcome{breaker: b, entry: b.acquire(p.req), ctx: p.req.Context()}
	refused := b.admit(&p.outcome)
	p.admitted = refused == nil
	p.outcome.entry.Value().tell()
	if refused == nil {
		return nil
	}
	return b.refuse(refused)
}

// settle reports the result of the call.
func (p *passage) settle(v Verdict) {
	p.settled = true
	p.outcome.report(v, nil)
}

// leave gives back what the call holds.
func (p *passage) leave() {
	if p.outcome.entry != nil {
		defer p.breaker.circuits.Release(p.outcome.entry)
	}
	if !p.sent {
		httpx.Reject(p.req)
	}
	if p.resp != nil && p.resp.Body != nil {
		_ = p.resp.Body.Close()
	}
	switch {
	case p.settled || !p.admitted:
	case p.sent: // the transport or a callback panicked, or ended the goroutine
		p.outcome.report(Failure, nil)
	default:
		p.outcome.report(Neither, nil)
	}
}
