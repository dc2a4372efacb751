package breaker

import (
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
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
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp == nil {
		call.settle(call.outcome.blame(err))
		return resp, err
	}
	call.resp = resp
	switch {
	case t.breaker.failed(resp):
		call.settled = true
		call.outcome.reportAnswer(resp)
	case httpx.HasBody(resp):
		call.settled = true
		call.outcome.answer()
		httpx.Watch(resp, call.outcome)
	default:
		call.settle(nil)
	}
	call.resp = nil // it is the caller's now
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (t *transport) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *transport) Unwrap() http.RoundTripper { return t.next }

// failed reports whether an answer counts against the upstream.
func (b *Breaker) failed(resp *http.Response) bool {
	if b.config.Check != nil && b.config.Check(resp) != nil {
		return true
	}
	return resp.StatusCode >= http.StatusInternalServerError
}

// passage is one call's way through a circuit. Whatever happens on it, a panic
// of a callback or of the transport included, leave finds what is still owed.
type passage struct {
	breaker  *Breaker
	req      *http.Request
	entry    *keyed.Entry[httpx.Key, circuit]
	outcome  outcome
	admitted bool
	sent     bool           // the request belongs to the transport below
	resp     *http.Response // to be closed if a callback panics
	settled  bool           // the circuit knows, or the response's body will tell it
}

// enter asks the circuit for admission.
func (p *passage) enter() error {
	b := p.breaker
	p.entry = b.acquire(p.req)
	c := p.entry.Value()
	out, refused := c.allow(p.req.Context())
	p.outcome, p.admitted = out, refused == nil
	c.tell()
	if refused == nil {
		return nil
	}
	return b.refuse(refused)
}

// refuse tells the hook of a refusal and returns it.
func (b *Breaker) refuse(refused *OpenError) error {
	if b.config.Hooks.Refused != nil {
		b.config.Hooks.Refused(refused)
	}
	return refused
}

// settle reports the result of the call.
func (p *passage) settle(result error) {
	p.settled = true
	p.outcome.report(result)
}

// leave gives back what the call holds.
func (p *passage) leave() {
	if p.entry != nil {
		defer p.entry.Release()
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
		p.outcome.report(errFailure)
	default:
		p.outcome.report(errNoResult)
	}
}
