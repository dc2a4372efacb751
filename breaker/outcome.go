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
	change  int64  // the circuit's count of changes when the call was admitted
	probe   *probe // nil in a closed circuit
}

// probe is what reports of the same probe race for: its end and its lease.
type probe struct {
	reported atomic.Bool
	answered atomic.Bool // with a good header: what may be late is the body
	timer    *time.Timer
}

// lease frees the place of the probe if nothing is heard of it in time. Without
// an answer it has failed; a good answer with a long body proves nothing bad.
// The hook learns of it with the next call: a panic on the timer's goroutine
// could be caught by nobody.
func (o *outcome) lease() {
	p := &probe{}
	o.probe = p
	expired := *o
	p.timer = time.AfterFunc(o.circuit.breaker.config.ProbeLease, func() {
		if !p.reported.CompareAndSwap(false, true) {
			return
		}
		if p.answered.Load() {
			expired.tell(errNoResult)
		} else {
			expired.tell(errFailure)
		}
	})
}

// report tells the circuit, and the hook: nil, errFailure or errNoResult.
func (o outcome) report(result error) {
	if o.probe != nil {
		if !o.probe.reported.CompareAndSwap(false, true) {
			return
		}
		o.probe.timer.Stop()
	}
	o.tell(result)
	o.circuit.tell()
}

// tell tells the circuit, unless it has changed since the call was admitted.
// gobreaker would take no notice of the result then, but of the time.
func (o outcome) tell(result error) {
	c := o.circuit
	if c.changing.Load() != o.change {
		return
	}
	switch result {
	case nil:
		if c.streak.Load() != 0 { // seldom, and reading is cheaper
			c.streak.Store(0)
		}
	case errFailure: //nolint:errorlint // one of our own three values, never wrapped
		c.streak.Add(1)
	}
	o.done(result)
}

// reportAnswer is report for an answer that counts as a failure. If it opens
// the circuit, its Retry-After says for how long at least.
func (o outcome) reportAnswer(resp *http.Response) {
	wait, _ := header.RetryAfter(resp.Header, time.Now)
	if wait > 0 {
		o.circuit.asked.Store(int64(wait))
		defer o.circuit.asked.CompareAndSwap(int64(wait), 0)
	}
	o.report(errFailure)
}

// answer notes that a good answer has come, whose body the caller now reads.
func (o outcome) answer() {
	if o.probe != nil {
		o.probe.answered.Store(true)
	}
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
