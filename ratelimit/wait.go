package ratelimit

import (
	"context"
	"math"
	"time"
)

// forever stands for a wait without a limit.
const forever = time.Duration(math.MaxInt64)

// wait waits for the turn of a call, or refuses as soon as it can be known that
// the wait would be too long: on arrival, when the plan changes, at the head of
// the queue, or when the time is up.
func (b *bucket) wait(ctx context.Context, n *need, flow string) (refused *Error, gone error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w := &waiter{need: *n, done: make(chan struct{})}
	told, refused := b.join(ctx, w, flow)
	if refused != nil {
		return refused, nil
	}
	served := false
	defer func() {
		if !served {
			b.leave(w)
		}
	}()
	if hook := b.limiter.config.Hooks.Wait; hook != nil && told.For > 0 {
		hook(told)
	}
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	served = w.refused == nil
	*n = w.need
	return w.refused, nil
}

// join enters the queue, or refuses because the turn of a newcomer would take
// longer than he can wait. It tells of no wait if the turn has come at once.
func (b *bucket) join(ctx context.Context, w *waiter, flow string) (Wait, *Error) {
	now := b.lock()
	defer b.mu.Unlock()
	limit, reason := b.limiter.patience(ctx, w.waited)
	ahead, queued := int64(0), 0
	if b.queue != nil {
		ahead, queued = b.queue.ahead(w.priority, flow, w.cost), b.queue.count
	} else if b.admit(now, &w.need) {
		close(w.done)
		return Wait{}, nil
	}
	o := b.outlook(now, &w.need)
	if o.beyond > 0 {
		return Wait{}, &Error{Key: b.key.String(), Reason: HeldTooLong, Wait: o.beyond - now}
	}
	wait := o.wait(ahead, w.cost)
	if wait > limit {
		return Wait{}, &Error{Key: b.key.String(), Reason: reason, Wait: wait}
	}
	if queued >= b.limiter.config.MaxQueue {
		loser := b.queue.loser(w.priority, flow, w.cost)
		if loser == nil {
			return Wait{}, &Error{Key: b.key.String(), Reason: QueueFull, Wait: wait}
		}
		b.refuse(loser, now, QueueFull, loser.due)
	}
	if b.queue == nil {
		b.own().queue = newQueue()
	}
	w.due, w.tooLate = now+min(wait, forever-now), reason
	w.expires = now + min(limit, forever-now)
	b.queue.push(w, flow)
	b.dispatch(now)
	if !w.queued { // it came first, or those before it have gone just now
		return Wait{}, nil
	}
	return Wait{Key: b.key.String(), For: wait, Ahead: queued, Priority: w.priority}, nil
}

// leave takes w out of the queue or, if its turn has come, gives that back.
func (b *bucket) leave(w *waiter) {
	now := b.lock()
	defer b.mu.Unlock()
	switch {
	case w.queued:
		b.queue.drop(w)
		b.dispatch(now)
	case w.refused == nil:
		b.cancelLocked(now, &w.need)
	}
}

// patience is how long a call may wait that has waited elsewhere before, and what
// to call it when that is not enough.
func (l *Limiter) patience(ctx context.Context, waited time.Duration) (time.Duration, Reason) {
	limit, reason := forever, WaitTooLong
	switch {
	case l.config.MaxWait < 0:
		limit = 0
	case l.config.MaxWait > 0:
		limit = max(0, l.config.MaxWait-waited)
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Whoever waits until the deadline itself has nothing of it.
		if left := max(0, time.Until(deadline)-1); left < limit {
			limit, reason = left, DeadlineTooClose
		}
	}
	return limit, reason
}

// shadow takes what a call needs whether it is there or not, and returns how
// long it would have waited, or the refusal. It is then charged nothing.
func (b *bucket) shadow(ctx context.Context, n *need) (Wait, *Error) {
	now := b.lock()
	defer b.mu.Unlock()
	limit, reason := b.limiter.patience(ctx, n.waited)
	o := b.outlook(now, n)
	wait := o.wait(0, n.cost)
	if o.beyond > 0 {
		wait, limit, reason = o.beyond-now, 0, HeldTooLong
	}
	if wait > limit {
		b.begin(now, n, 0)
		return Wait{}, &Error{Key: b.key.String(), Reason: reason, Wait: wait}
	}
	b.begin(now, n, n.cost)
	b.budget.charge(now, n.cost)
	if b.pacing != nil {
		b.pacing.budget.charge(now, n.cost)
	}
	return Wait{Key: b.key.String(), For: wait, Priority: n.priority}, nil
}
