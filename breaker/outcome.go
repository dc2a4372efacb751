package breaker

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// outcome reports how an admitted call went. It must do so once; a probe's
// lease makes sure of it, for any other call the transport does.
type outcome struct {
	circuit *circuit
	ctx     context.Context // the caller's: the outcome lives as long as the call
	done    func(error)
	probe   *probe // nil in a closed circuit
}

// probe is what reports of the same probe race for: its end and its lease.
type probe struct {
	reported atomic.Bool
	timer    *time.Timer
}

// lease lets the probe fail if nothing is heard of it in time.
func (o *outcome) lease() {
	p := &probe{}
	o.probe = p
	expired := *o
	p.timer = time.AfterFunc(o.circuit.breaker.config.ProbeLease, func() {
		if p.reported.CompareAndSwap(false, true) {
			expired.done(errFailure)
			expired.circuit.tell()
		}
	})
}

// report tells the circuit: nil, errFailure or errNoResult.
func (o outcome) report(result error) {
	if o.probe != nil {
		if !o.probe.reported.CompareAndSwap(false, true) {
			return
		}
		o.probe.timer.Stop()
	}
	o.done(result)
	o.circuit.tell()
}

// reportAnswer is report for an answer that counts as a failure. If it opens
// the circuit, its Retry-After says for how long at least.
func (o outcome) reportAnswer(resp *http.Response) {
	wait, _ := header.RetryAfter(resp.Header, time.Now)
	if wait <= 0 {
		o.report(errFailure)
		return
	}
	o.circuit.asked.Store(int64(wait))
	o.report(errFailure)
	o.circuit.asked.CompareAndSwap(int64(wait), 0)
}

// End reports a call whose response was good when its body has ended.
func (o outcome) End(err error) {
	if err != nil {
		err = o.blame(err)
	}
	o.report(err)
}

// blame decides whose fault an error is: the upstream's, or nobody's that
// counts because the caller has gone or nothing was sent.
func (o outcome) blame(err error) error {
	if o.ctx.Err() != nil {
		return errNoResult
	}
	if e, ok := errors.AsType[interface {
		error
		NotSent() bool
	}](err); ok && e.NotSent() {
		return errNoResult
	}
	return errFailure
}
