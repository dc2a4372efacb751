package sender

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leaseMargin is by how much a lease is longer than an attempt, for what
	// comes after it and for clocks that differ.
	leaseMargin = time.Minute
	// maxStore bounds a call of the store that does not end with Run.
	maxStore = 10 * time.Second
	// cleanEvery is how often old messages are forgotten, and cleanLimit how
	// many in one transaction.
	cleanEvery = time.Minute
	cleanLimit = 500
)

// Run delivers messages until ctx ends. Then it takes no more, waits for the
// attempts that are under way, cuts them off after Config.Drain, and returns nil
// when the last of them has ended. If the store fails then, what came of them is
// tried to be recorded for ten seconds more. Run also forgets the messages that
// are older than Config.Keep.
//
// After a crash the messages that were being delivered are claimed again when
// their lease is over, a minute and a Config.Timeout after it began. Failures of
// the store do not end Run. It returns [ErrRunning] at once if it runs already.
func (s *Sender) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer s.running.Store(false)

	values := context.WithoutCancel(ctx)
	attempts, cutOff := context.WithCancelCause(values)
	defer cutOff(nil)
	behind, end := context.WithCancel(values)
	var background sync.WaitGroup
	background.Go(func() { s.keepClean(behind) })

	w := &worker{sender: s, freed: make(chan struct{}, 1)}
	w.dispatch(ctx, attempts)
	w.drain(cutOff)
	end()
	background.Wait()
	return nil
}

// worker is one Run.
type worker struct {
	sender   *Sender
	attempts sync.WaitGroup
	busy     atomic.Int64
	freed    chan struct{} // an attempt has ended
}

// dispatch claims messages and starts their attempts until ctx ends.
func (w *worker) dispatch(ctx, attempts context.Context) {
	s := w.sender
	timer := time.NewTimer(s.config.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		freed, wake := w.freed, s.wake
		if limit := s.config.Workers - int(w.busy.Load()); limit > 0 {
			claims, err := s.claim(attempts, limit)
			switch {
			case err != nil:
				s.storeFailed("claim", err)
				freed, wake = nil, nil // it would fail again
			case ctx.Err() != nil:
				w.giveBack(attempts, claims)
				return
			}
			for i := range claims {
				w.busy.Add(1)
				w.attempts.Go(func() { w.deliver(attempts, &claims[i]) })
			}
		} else {
			wake = nil // nobody is free to do anything about it
		}
		timer.Reset(s.config.Poll)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-freed:
		case <-wake:
		}
	}
}

// claim does not end with Run: what was claimed must be known.
func (s *Sender) claim(ctx context.Context, limit int) ([]Claim, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxStore)
	defer cancel()
	now := time.Now()
	return s.config.Store.Claim(ctx, now, now.Add(s.config.Timeout+leaseMargin), limit, s.config.PerEndpoint)
}

// giveBack ends leases as if they had never been. All at once: a store that fails
// is waited for once and not for each.
func (w *worker) giveBack(ctx context.Context, claims []Claim) {
	var all sync.WaitGroup
	for i := range claims {
		c := &claims[i]
		all.Go(func() {
			if _, err := w.sender.finish(ctx, c.Token, Outcome{State: Pending, Due: c.Due, GivenBack: true}); err != nil {
				w.sender.lose(newAttempt(c), err)
				return
			}
			w.sender.givenBack.Add(1)
		})
	}
	all.Wait()
}

// drain waits for the attempts, and cuts them off when their time is up.
func (w *worker) drain(cutOff context.CancelCauseFunc) {
	timer := time.AfterFunc(max(0, w.sender.config.Drain), func() { cutOff(ErrDraining) })
	defer timer.Stop()
	w.attempts.Wait()
}

// deliver is the course of one attempt.
func (w *worker) deliver(ctx context.Context, c *Claim) {
	defer func() {
		w.busy.Add(-1)
		select {
		case w.freed <- struct{}{}:
		default: // known already
		}
	}()
	s := w.sender
	start := time.Now()
	r, o := s.attempt(ctx, c)
	a := newAttempt(c)
	a.Status, a.Duration = r.status, time.Since(start)
	if r.err != nil {
		a.Err = &DeliveryError{Endpoint: c.Endpoint, ID: c.ID, Attempt: c.Attempt, Origin: r.origin, Err: r.err}
		o.Reason = cut(a.Err.Error())
	}
	a.GivenBack, a.Next = o.GivenBack, o.Due
	if o.Pause.After(a.Next) {
		a.Next = o.Pause
	}
	health, err := s.finish(ctx, c.Token, o)
	if err != nil {
		s.lose(a, err)
		return
	}
	s.count(&r, &o)
	s.tell(a, o.State)
	if reason := s.shouldDisable(&r, &o, &health); reason != "" {
		s.disable(ctx, health, reason)
	}
}

func newAttempt(c *Claim) Attempt {
	return Attempt{Message: c.Message, Number: c.Attempt, Created: c.Created}
}

func (s *Sender) count(r *result, o *Outcome) {
	switch {
	case o.State == Done:
		s.delivered.Add(1)
		return
	case o.GivenBack:
		s.givenBack.Add(1)
		return
	}
	s.failed.Add(1)
	if errors.Is(r.err, ErrBlocked) {
		s.blocked.Add(1)
	}
}

func (s *Sender) tell(a Attempt, state State) {
	hook := s.config.Hooks.Retry
	switch state {
	case Done:
		hook = s.config.Hooks.Delivered
	case Dead:
		hook = s.config.Hooks.Dead
	}
	if hook != nil {
		hook(a)
	}
}

// lose tells of an attempt whose end could not be recorded.
func (s *Sender) lose(a Attempt, err error) {
	s.lost.Add(1)
	if s.config.Hooks.Lost != nil {
		a.Err = err
		s.config.Hooks.Lost(a)
	}
}

// finish ends a lease, and tries again for a while if the store fails. It does
// not end with Run.
func (s *Sender) finish(ctx context.Context, token Token, o Outcome) (Health, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxStore)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		health, err := s.config.Store.Finish(ctx, time.Now(), token, o)
		if err == nil || errors.Is(err, ErrStale) {
			return health, err
		}
		s.storeFailed("finish", err)
		select {
		case <-ctx.Done():
			return Health{}, &StoreError{Op: "finish", Err: err}
		case <-time.After(wait):
		}
	}
}

func (s *Sender) storeFailed(op string, err error) {
	if s.config.Hooks.StoreFailed != nil {
		s.config.Hooks.StoreFailed(&StoreError{Op: op, Err: err})
	}
}

// disable does what the rules of Config ask for. If it fails the next failure
// will bring it about.
func (s *Sender) disable(ctx context.Context, health Health, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxStore)
	defer cancel()
	now := time.Now()
	changed, err := s.config.Store.Disable(ctx, now, health.Endpoint, reason)
	switch {
	case err != nil:
		s.storeFailed("disable", err)
	case changed && s.config.Hooks.Disabled != nil:
		health.DisabledAt, health.Reason = now, reason
		s.config.Hooks.Disabled(health)
	}
}

// keepClean forgets old messages until ctx ends.
func (s *Sender) keepClean(ctx context.Context) {
	if s.config.Keep < 0 {
		return
	}
	ticker := time.NewTicker(cleanEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for n := cleanLimit; n == cleanLimit; {
			var err error
			n, err = s.config.Store.Purge(ctx, time.Now().Add(-s.config.Keep), cleanLimit)
			if err != nil {
				if ctx.Err() == nil {
					s.storeFailed("purge", err)
				}
				break
			}
		}
	}
}
