package retry

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// race is one hedged call. It belongs to the goroutine of the call, and owns
// what has arrived: release frees it.
type race struct {
	hedge *Hedge
	next  http.RoundTripper
	req   *http.Request   // the caller's
	ctx   context.Context // the caller's

	begin   time.Time
	times   *keyed.Entry[httpx.Key, times] // nil if the delay is fixed
	account httpx.Key                      // of the budget
	delay   time.Duration                  // before each extra copy
	timer   *time.Timer                    // of the next one; nil if none will be sent

	runners  []*runner    // all that were sent
	running  int          // how many of them have not arrived
	arrivals chan *runner // unbuffered: a runner that nobody waits for keeps what it has
	best     *runner      // of those that failed
	winner   *runner      // whose outcome the caller gets
}

// start sends the first copy.
func (r *race) start() {
	h := r.hedge
	r.begin, r.delay = time.Now(), h.delay
	if h.times != nil {
		r.times = h.times.Acquire(httpx.KeyOf(r.req, h.key), r.begin.Sub(h.start))
		if d, ok := r.times.Value().percentile(h.percentile); ok {
			r.delay = d
		}
	}
	if h.budget != nil {
		r.account = h.budget.key(r.req)
		if attemptOf(r.ctx) == 1 {
			h.budget.deposit(r.account)
		}
	}
	if r.delay > 0 {
		r.timer = time.NewTimer(r.delay)
	}
	r.send(r.newRunner())
}

// run sends further copies while it waits for an acceptable answer, and returns
// the outcome of the call.
func (r *race) run() (*http.Response, error) {
	for r.running > 0 {
		var due <-chan time.Time
		if r.timer != nil {
			due = r.timer.C
		}
		select {
		case c := <-r.arrivals:
			if r.arrive(c) {
				return r.win(c)
			}
		case <-due:
			r.again()
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		}
	}
	return r.finish(r.best)
}

// again sends an extra copy, if it can be paid for and its body can be had.
func (r *race) again() {
	h := r.hedge
	if r.ctx.Err() != nil || (h.budget != nil && !h.budget.withdraw(r.account)) {
		r.stop()
		return
	}
	body := r.req.Body
	if body != nil && body != http.NoBody {
		var err error
		if body, err = r.req.GetBody(); err != nil {
			r.refund()
			r.stop()
			return
		}
	}
	c := r.newRunner()
	c.req.Body = body
	r.send(c)
	if c.number > h.maxExtra {
		r.stop()
	} else {
		r.timer.Reset(r.delay)
	}
	if h.hooks.Hedge != nil {
		h.hooks.Hedge(r.event(c))
	}
}

// newRunner makes the next copy, with the body of the caller's request. It
// shares no map with that: the caller may change those after the call, when a
// copy that has lost may still be reading.
func (r *race) newRunner() *runner {
	ctx, cancel := context.WithCancelCause(r.ctx)
	return &runner{req: r.req.Clone(ctx), cancel: cancel, number: len(r.runners) + 1}
}

func (r *race) send(c *runner) {
	r.runners = append(r.runners, c)
	r.running++
	go c.run(r.next, r.arrivals)
}

// stop says that no more copies are sent.
func (r *race) stop() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// refund gives back what a copy that was never sent has taken.
func (r *race) refund() {
	if r.hedge.budget != nil {
		r.hedge.budget.refund(r.account)
	}
}

// arrive takes what c has brought, and reports whether it is acceptable.
func (r *race) arrive(c *runner) bool {
	c.arrived = true
	r.running--
	if !c.returned {
		if c.panicked == nil {
			runtime.Goexit() // as the transport did
		}
		panic(c.panicked)
	}
	if r.accepts(c) {
		return true
	}
	if r.best == nil || c.saysMoreThan(r.best) {
		r.best = c
	}
	if c.number > 1 && refused(c.err) {
		r.refund()
	}
	if r.discouraged(c) {
		r.stop()
	}
	return false
}

// saysMoreThan reports whether the failure of c is rather to be returned than
// that of d: any answer than an error, and any error than one that proves that
// nothing was sent, for that is only true of d.
func (c *runner) saysMoreThan(d *runner) bool {
	if c.err == nil || d.err == nil {
		return d.err != nil
	}
	return neverSent(d.req, d.err, nil) && !neverSent(c.req, c.err, nil)
}

// accepts reports whether the outcome of c ends the race.
func (r *race) accepts(c *runner) bool {
	switch {
	case c.err != nil || failedStatus(r.req, c.resp):
		return false
	case c.resp == nil:
		return true // http.Client has a word for such a transport
	case r.running > 0 && !httpx.Safe(r.req) && c.resp.StatusCode >= 400 && c.resp.StatusCode < 500:
		return false // perhaps only because the other copy has been there first
	case r.hedge.check != nil:
		c.rejected = r.hedge.check(c.resp)
	}
	return c.rejected == nil
}

// discouraged reports whether the failure of c speaks against further copies.
func (r *race) discouraged(c *runner) bool {
	if c.err != nil {
		return refused(c.err) || permanent(r.ctx, c.err)
	}
	_, wait := header.RetryAfter(c.resp.Header, time.Now)
	return wait || shouldRetry(c.resp.Header) == "false" || permanent(r.ctx, c.rejected) ||
		c.resp.StatusCode == http.StatusTooManyRequests || c.resp.StatusCode == statusOverloaded
}

// win ends the call with the acceptable answer of c.
func (r *race) win(c *runner) (*http.Response, error) {
	if r.times != nil {
		// From the beginning of the call, whichever copy it was: a first copy
		// that was cut off would have taken longer than the delay, and so does
		// this. So what the percentile of the first copies is, up to the delay,
		// remains so, and hedging does not make the delay shrink.
		r.times.Value().add(time.Since(r.begin))
	}
	if c.number > 1 && r.hedge.hooks.Won != nil {
		r.hedge.hooks.Won(r.event(c))
	}
	return r.finish(c)
}

// finish ends the call with the outcome of c.
func (r *race) finish(c *runner) (*http.Response, error) {
	r.winner = c
	if c.err != nil || c.resp == nil {
		c.cancel(nil)
	} else {
		httpx.Watch(c.resp, canceler(c.cancel))
	}
	return c.resp, c.err
}

// release frees what the caller does not get.
func (r *race) release() {
	r.stop()
	if r.times != nil {
		r.hedge.times.Release(r.times)
	}
	if len(r.runners) == 0 {
		httpx.Reject(r.req) // Key has panicked
	}
	for _, c := range r.runners {
		switch {
		case c == r.winner:
		case !c.arrived || c.resp == nil:
			c.cancel(nil)
		case r.winner != nil:
			go c.drop() // the caller need not wait for that
		default:
			// The caller has gone, or a callback has panicked.
			c.close()
		}
	}
}

func (r *race) event(c *runner) HedgeEvent {
	e := HedgeEvent{Request: r.req, Copy: c.number, After: time.Since(r.begin)}
	if c.arrived && c.resp != nil {
		e.Status = c.resp.StatusCode
	}
	return e
}

// runner is one copy of the request. What it brings belongs to its own
// goroutine, and from its arrival on to that of the race.
type runner struct {
	req    *http.Request
	cancel context.CancelCauseFunc
	number int // from 1

	resp     *http.Response
	err      error
	returned bool // else RoundTrip panicked
	panicked any  // with what; nil for runtime.Goexit

	// For the race alone.
	arrived  bool
	rejected error // what Check said of resp
}

// run sends the copy, and frees what comes if the race has ended by then.
func (c *runner) run(next http.RoundTripper, arrivals chan<- *runner) {
	defer func() {
		if !c.returned {
			c.panicked = recover()
		}
		select {
		case arrivals <- c:
		case <-c.req.Context().Done():
			c.drop()
		}
	}()
	c.resp, c.err = next.RoundTrip(c.req) //nolint:bodyclose // whoever has it in the end does
	c.returned = true
}

// drop throws away what c has brought. It runs on a goroutine where nobody
// could recover from a panic of the body, so it does.
func (c *runner) drop() {
	defer func() { _ = recover() }()
	defer c.cancel(nil)
	if c.resp != nil {
		httpx.Discard(c.resp)
	}
}

// close is a drop that takes no time.
func (c *runner) close() {
	defer c.cancel(nil)
	if c.resp.Body != nil {
		_ = c.resp.Body.Close()
	}
}
