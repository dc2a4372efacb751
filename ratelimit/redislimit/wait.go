package redislimit

import (
	"container/list"
	"context"
	"time"
)

// waiter is a request in the queue.
type waiter struct {
	place   *list.Element
	wake    chan struct{} // has room for one: look again
	limit   time.Duration // a slot must not be dated later
	latest  time.Duration // a slot that is due is of use until then: the answer of Redis takes time
	reason  Reason        // why not later
	refusal *Error        // set when it was taken out of the queue
}

// missed reports whether a slot of that date is of no use.
func (w *waiter) missed(date, now time.Duration) bool {
	return date > w.limit && (date > now || now > w.latest)
}

// wait waits for a slot and spends it, or refuses as soon as it can be known
// that the wait would be too long: on arrival, when Redis has answered, or when
// the time is up.
func (b *bucket) wait(ctx context.Context) (source, error) {
	w := b.limiter.newWaiter(ctx)
	if from, refusal := b.join(w); from != nowhere || refusal != nil {
		return from, asError(refusal)
	}
	defer b.leave(w)
	timer := time.NewTimer(forever)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			return nowhere, context.Cause(ctx)
		}
		from, pause, refusal := b.advance(w)
		if from != nowhere || refusal != nil {
			return from, asError(refusal)
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		}
		b.limiter.tell()
	}
}

// asError keeps a nil *Error from becoming an error.
func asError(refusal *Error) error {
	if refusal == nil {
		return nil
	}
	return refusal
}

func (l *Limiter) newWaiter(ctx context.Context) *waiter {
	now, patience := l.now(), horizon
	if l.config.MaxWait != 0 {
		patience = max(0, l.config.MaxWait)
	}
	w := &waiter{wake: make(chan struct{}, 1), limit: now + patience, reason: WaitTooLong}
	w.latest = w.limit + l.config.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		// Whoever waits until the deadline itself has nothing of it.
		last := now + max(0, time.Until(deadline)-1)
		if w.latest = min(w.latest, last); last < w.limit {
			w.limit, w.reason = last, DeadlineTooClose
		}
	}
	return w
}

// take spends a slot if nobody has to wait for it.
func (b *bucket) take() source {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	if b.queue.Len() > 0 {
		return nowhere
	}
	from, date := b.slot(now)
	if from == nowhere || date > now {
		return nowhere
	}
	b.spend(from, now)
	b.order(now)
	return from
}

// join spends a slot at once, enters the queue, or refuses.
func (b *bucket) join(w *waiter) (source, *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	ahead := b.queue.Len()
	if ahead >= b.limiter.config.MaxQueue {
		w.reason = QueueFull
		return nowhere, b.refuse(w, b.foresee(now, ahead), now)
	}
	w.place = b.queue.PushBack(w)
	b.order(now)
	if date := b.foresee(now, ahead); w.missed(date, now) {
		b.removeLocked(w)
		return nowhere, b.refuse(w, date, now)
	}
	if ahead > 0 {
		return nowhere, nil
	}
	from, date := b.slot(now)
	if from == nowhere || date > now {
		return nowhere, nil
	}
	b.spend(from, now)
	b.removeLocked(w)
	return from, nil
}

// refuse makes the error of a request whose turn would come at date.
func (b *bucket) refuse(w *waiter, date, now time.Duration) *Error {
	e := &Error{Key: b.key.String(), Reason: w.reason, Wait: max(1, date-now)}
	if b.share.closed() && date == forever {
		e.Reason, e.Wait = Unavailable, b.limiter.link.untilProbe(now)
	}
	return e
}

// advance spends a slot for w if it is at the head and one is due, and else
// returns how long to sleep.
func (b *bucket) advance(w *waiter) (from source, pause time.Duration, refusal *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.refusal != nil {
		return nowhere, 0, w.refusal
	}
	now := b.limiter.now()
	date := forever // somebody will wake it
	if b.queue.Front() == w.place {
		b.order(now)
		if from, date = b.slot(now); from != nowhere && date <= now {
			b.spend(from, now)
			b.removeLocked(w)
			b.order(now)
			return from, 0, nil
		}
		if foreseen := b.foresee(now, 0); w.missed(foreseen, now) {
			b.removeLocked(w)
			return nowhere, 0, b.refuse(w, foreseen, now)
		}
	}
	if now > w.latest { // nobody has
		b.removeLocked(w)
		return nowhere, 0, b.refuse(w, b.foresee(now, b.queue.Len()), now)
	}
	if b.share.active && !b.share.joined {
		date = min(date, now+max(b.limiter.link.untilProbe(now), b.limiter.config.Timeout))
	}
	return nowhere, max(0, min(date, w.latest+1)-now), nil
}

// sift refuses those in the queue whose turn is now known to come too late.
func (b *bucket) sift(now time.Duration) {
	ahead := 0
	for e := b.queue.Front(); e != nil; {
		w := e.Value.(*waiter)
		e = e.Next()
		date := b.foresee(now, ahead)
		if !w.missed(date, now) {
			ahead++
			continue
		}
		w.refusal = b.refuse(w, date, now)
		b.removeLocked(w)
		w.rouse()
	}
}

// leave removes w from the queue, if it is still there. If it was the last, the
// slots that were meant for it go back.
func (b *bucket) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.place == nil && w.refusal == nil {
		return
	}
	b.removeLocked(w)
	if b.queue.Len() == 0 {
		now := b.limiter.now()
		b.surrender(now)
		b.order(now)
	}
}

func (b *bucket) removeLocked(w *waiter) {
	if w.place == nil {
		return
	}
	head := b.queue.Front() == w.place
	b.queue.Remove(w.place)
	w.place = nil
	if head {
		b.wakeHead()
	}
}

// wakeHead makes the one at the head of the queue look again.
func (b *bucket) wakeHead() {
	if front := b.queue.Front(); front != nil {
		front.Value.(*waiter).rouse()
	}
}

func (w *waiter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // it has been told already
	}
}
