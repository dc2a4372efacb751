package inbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoHandler is returned by [Inbox.Run] of an Inbox without a handler.
var ErrNoHandler = errors.New("inbox: neither Config.Handle nor Config.HandleTx is set")

// ErrRunning is returned by [Inbox.Run] while another one runs.
var ErrRunning = errors.New("inbox: it runs already")

// Run has events handled until ctx ends. Then it takes no more, waits for the
// handlers that run, ends their contexts after Config.Drain, and returns nil
// when the last of them has returned. Handlers get the values of ctx. It also
// forgets the events that are older than Config.KeepDone and Config.KeepDead.
//
// Failures of the store do not end it. It returns [ErrNoHandler], or
// [ErrRunning], at once.
func (in *Inbox) Run(ctx context.Context) error {
	if in.config.Handle == nil && in.config.HandleTx == nil {
		return ErrNoHandler
	}
	if !in.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer in.running.Store(false)

	w := &worker{in: in, freed: make(chan struct{}, 1), leases: make(map[Token]*lease)}
	values := context.WithoutCancel(ctx)
	handlers, stop := context.WithCancelCause(values)
	defer stop(nil)
	behind, end := context.WithCancel(values)
	var background sync.WaitGroup
	background.Go(func() { w.keepLeases(behind) })
	background.Go(func() { in.keepClean(behind) })

	w.dispatch(ctx, handlers)
	w.drain(stop)
	end()
	background.Wait()
	return nil
}

// worker is one Run.
type worker struct {
	in       *Inbox
	handlers sync.WaitGroup
	busy     atomic.Int64
	freed    chan struct{} // a handler has ended

	mu     sync.Mutex
	leases map[Token]*lease
}

// dispatch claims events and starts their handlers until ctx ends.
//
// After a crash nobody knows which of the events that were being handled has
// caused it. So those that come back from one are handled alone, one at a time:
// otherwise a poisonous event would take its neighbours with it, again and
// again, until all of them are Dead.
//
// What it was woken for may be due by the clock of the process that has stored
// it and not yet by its own. So it looks once more when it must be.
func (w *worker) dispatch(ctx, handlers context.Context) {
	alone, extra := false, false
	var poll, due time.Time
	timer := time.NewTimer(w.in.config.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		looked, limit := time.Now(), w.free(alone)
		var claims []Claim
		var err error
		if limit > 0 {
			claims, err = w.claim(handlers, limit)
		}
		switch {
		case err != nil:
			w.in.storeFailed("claim", err)
		case ctx.Err() != nil:
			w.giveBack(handlers, claims)
			return
		case limit > 0:
			alone = w.start(handlers, claims)
		}
		var freed, wake <-chan struct{}
		if limit == 0 || len(claims) == limit || alone {
			freed = w.freed
		}
		if err == nil && limit > 0 {
			wake = w.in.wake
		}
		if len(claims) > 0 && w.free(alone) > 0 {
			continue
		}
		if !extra {
			poll = time.Now().Add(w.in.config.Poll)
		}
		next := poll
		if looked.Before(due) && due.Before(next) {
			next = due
		}
		timer.Reset(time.Until(next))
		extra = false
		select {
		case <-ctx.Done():
		case <-timer.C:
			extra = next.Before(poll)
		case <-freed:
		case <-wake:
			due = time.Now().Add(w.in.clock.lag())
		}
	}
}

// free is how many events can be claimed.
func (w *worker) free(alone bool) int {
	busy := int(w.busy.Load())
	switch {
	case !alone:
		return w.in.config.Workers - busy
	case busy == 0:
		return 1
	}
	return 0
}

// claim does not end with the Run: events that were claimed must be known, or
// they would look like those of a crash.
func (w *worker) claim(ctx context.Context, limit int) ([]Claim, error) {
	lease := w.in.config.Lease
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(maxFinish, lease))
	defer cancel()
	now, err := w.in.now(ctx)
	if err != nil {
		return nil, err
	}
	if w.outrun(now) {
		if err := w.extend(ctx); err != nil {
			return nil, err
		}
	}
	start, until := time.Now(), now.Add(lease)
	claims, err := w.in.config.Store.Claim(ctx, now, until, limit)
	if err != nil {
		return nil, err
	}
	for i := range claims {
		w.hold(&claims[i], start, until)
	}
	return claims, nil
}

// start has claims handled, or gives them back if they must be handled alone and
// cannot be, and reports whether the next ones must be.
func (w *worker) start(handlers context.Context, claims []Claim) (alone bool) {
	if w.in.config.MaxCrashes > 0 {
		rest := claims[:0:0]
		for i := range claims {
			c := &claims[i]
			if c.Crashes >= w.in.config.MaxCrashes {
				w.bury(handlers, c)
				continue
			}
			alone = alone || c.Crashes > 0
			rest = append(rest, *c)
		}
		claims = rest
	}
	if alone && (len(claims) > 1 || w.busy.Load() > 0) {
		w.giveBack(handlers, claims)
		return true
	}
	for i := range claims {
		c := claims[i] // alone: it must not keep the bodies of the others
		w.busy.Add(1)
		w.handlers.Go(func() { w.handle(handlers, &c) })
	}
	return alone
}

// giveBack ends leases as if they had never been. All at once: a store that fails
// is waited for once and not for each.
func (w *worker) giveBack(ctx context.Context, claims []Claim) {
	var all sync.WaitGroup
	for i := range claims {
		c := &claims[i]
		all.Go(func() {
			if err := w.finish(ctx, c.Token, Outcome{State: Pending, Due: c.Due, GivenBack: true}); err != nil {
				w.lost(Attempt{Delivery: newDelivery(c), Err: err})
			}
		})
	}
	all.Wait()
}

// bury ends an event that has crashed too often, without a handler.
func (w *worker) bury(ctx context.Context, c *Claim) {
	// This claim was no attempt at handling it.
	c.Attempt--
	err := fmt.Errorf("inbox: poison: %d attempts have ended without a word", c.Crashes)
	o := Outcome{State: Dead, Hold: w.in.config.HoldKey, GivenBack: true, Reason: reasonOf(err)}
	a := Attempt{Delivery: newDelivery(c), Err: err}
	if failed := w.finish(ctx, c.Token, o); failed != nil {
		w.lost(Attempt{Delivery: a.Delivery, Err: failed})
		return
	}
	w.wakeFor(c)
	if w.in.config.Hooks.Dead != nil {
		w.in.config.Hooks.Dead(a)
	}
}

// handle is the course of one attempt.
func (w *worker) handle(handlers context.Context, c *Claim) {
	defer func() {
		w.busy.Add(-1)
		select {
		case w.freed <- struct{}{}:
		default: // known already
		}
	}()
	ctx, cancel := w.leased(handlers, c.Token)
	defer cancel(nil)
	if timeout := w.in.config.Timeout; timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, timeout, ErrTimeout)
		defer stop()
	}
	a := Attempt{Delivery: newDelivery(c)}
	start := time.Now()
	done, err := w.in.call(ctx, a.Delivery, c.Token)
	a.Err, a.Duration = err, time.Since(start)

	o := w.in.outcome(c, err, context.Cause(ctx))
	if done {
		w.release(c.Token)
	} else if failed := w.finish(handlers, c.Token, o); failed != nil {
		a.Err = errors.Join(failed, err)
		w.lost(a)
		return
	}
	w.report(c, o, a)
}

// report tells the hooks how an attempt has ended.
func (w *worker) report(c *Claim, o Outcome, a Attempt) {
	hooks := &w.in.config.Hooks
	switch {
	case o.State == Pending:
		a.Next = o.Due
		if hooks.Retry != nil && !o.GivenBack {
			hooks.Retry(a)
		}
		return
	case o.State == Done && hooks.Done != nil:
		hooks.Done(a)
	case o.State == Dead && hooks.Dead != nil:
		hooks.Dead(a)
	}
	w.wakeFor(c)
}

// wakeFor has the next event of the lane claimed.
func (w *worker) wakeFor(c *Claim) {
	if c.Lane != (Hash{}) {
		w.in.Wake()
	}
}

func (w *worker) lost(a Attempt) {
	if w.in.config.Hooks.Lost != nil {
		w.in.config.Hooks.Lost(a)
	}
}

// drain waits for the handlers.
func (w *worker) drain(stop context.CancelCauseFunc) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.handlers.Wait()
	}()
	timer := time.NewTimer(max(0, w.in.config.Drain))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		stop(ErrDraining)
		<-done
	}
}

func (in *Inbox) storeFailed(op string, err error) {
	if in.config.Hooks.StoreFailed != nil {
		in.config.Hooks.StoreFailed(&StoreError{Op: op, Err: err})
	}
}
