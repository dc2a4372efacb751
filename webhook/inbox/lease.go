package inbox

import (
	"context"
	"errors"
	"time"
)

const (
	// leaseShare is in how many parts the time of a lease is divided by the
	// times at which it is extended.
	leaseShare = 3
	// maxFinish bounds the time in which the end of an attempt is recorded, and
	// that of a claim: what does not end with Run must not keep it for long.
	maxFinish = 10 * time.Second
	// cleanEvery is how often old events are forgotten, and cleanLimit how many
	// in one transaction.
	cleanEvery = time.Minute
	cleanLimit = 500
)

// lease is what a worker knows about one of its own.
type lease struct {
	token  Token
	cancel context.CancelCauseFunc // nil until the handler starts
	timer  *time.Timer             // fires when it is over
	last   time.Time               // when the handler's time is up, zero for never
	until  time.Time               // its end by the clock of the store
	over   bool
}

// hold notes a lease that was taken at start, or a moment later.
func (w *worker) hold(c *Claim, start, until time.Time) {
	l := &lease{token: c.Token, until: until}
	if w.in.config.Timeout > 0 {
		l.last = start.Add(w.in.config.Timeout)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l.timer = time.AfterFunc(w.in.config.Lease-time.Since(start), func() { w.loseLease(l) })
	w.leases[c.Token] = l
}

// leased returns a context that ends with the lease.
func (w *worker) leased(ctx context.Context, token Token) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.leases[token]
	l.cancel = cancel
	if l.over {
		cancel(ErrStale)
	}
	return ctx, cancel
}

// loseLease ends what runs under the lease.
func (w *worker) loseLease(l *lease) {
	w.mu.Lock()
	l.over = true
	cancel := l.cancel
	w.mu.Unlock()
	if cancel != nil {
		cancel(ErrStale)
	}
}

// release forgets a lease.
func (w *worker) release(token Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l, ok := w.leases[token]; ok {
		l.timer.Stop()
		delete(w.leases, token)
	}
}

// finish ends a lease in the store, and tries again for a while if the store
// fails. It does not end with the Run.
func (w *worker) finish(ctx context.Context, token Token, o Outcome) error {
	defer w.release(token)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(maxFinish, w.in.config.Lease))
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := w.in.config.Store.Finish(ctx, w.in.clock.time(), token, o)
		if err == nil || errors.Is(err, ErrStale) {
			return err
		}
		w.in.storeFailed("finish", err)
		select {
		case <-ctx.Done():
			return &StoreError{Op: "finish", Err: err}
		case <-time.After(wait):
		}
	}
}

// keepLeases extends the leases until ctx ends.
func (w *worker) keepLeases(ctx context.Context) {
	every := w.in.config.Lease / leaseShare
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		extend, cancel := context.WithTimeout(ctx, every)
		if err := w.extend(extend); err != nil && ctx.Err() == nil {
			w.in.storeFailed("extend", err)
		}
		cancel()
	}
}

// outrun reports whether a lease that is good here is over at now. Then the clock
// of the store was set, and nobody has died.
func (w *worker) outrun(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.leases {
		if !l.over && !l.until.After(now) {
			return true
		}
	}
	return false
}

func (w *worker) extend(ctx context.Context) error {
	start := time.Now()
	var tokens []Token
	w.mu.Lock()
	for token, l := range w.leases {
		if !l.over && (l.last.IsZero() || start.Before(l.last)) {
			tokens = append(tokens, token)
		}
	}
	w.mu.Unlock()
	if len(tokens) == 0 {
		return nil
	}
	now, err := w.in.now(ctx)
	if err != nil {
		return err
	}
	until := now.Add(w.in.config.Lease)
	lost, err := w.in.config.Store.Extend(ctx, tokens, until)
	if err != nil {
		return err
	}
	gone := make(map[Token]bool, len(lost))
	for _, token := range lost {
		gone[token] = true
	}
	for _, token := range tokens {
		w.mu.Lock()
		l, held := w.leases[token]
		if held && !gone[token] {
			l.until = until
			l.timer.Reset(w.in.config.Lease - time.Since(start))
		}
		w.mu.Unlock()
		if held && gone[token] {
			w.loseLease(l)
		}
	}
	return nil
}

// keepClean forgets old events until ctx ends.
func (in *Inbox) keepClean(ctx context.Context) {
	ticker := time.NewTicker(cleanEvery)
	defer ticker.Stop()
	for {
		if err := in.clean(ctx); err != nil && ctx.Err() == nil {
			in.storeFailed("purge", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (in *Inbox) clean(ctx context.Context) error {
	now, err := in.now(ctx)
	if err != nil {
		return err
	}
	before := func(keep time.Duration) time.Time {
		if keep < 0 {
			return time.Time{}
		}
		return now.Add(-keep)
	}
	for {
		n, err := in.config.Store.Purge(ctx, before(in.config.KeepDone), before(in.config.KeepDead), cleanLimit)
		if err != nil || n < cleanLimit {
			return err
		}
	}
}
