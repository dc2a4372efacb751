package ratelimit

import "time"

// dispatch grants the turns that have come, refuses those for whom it is too
// late, and sets the timer to the next event.
func (b *bucket) dispatch(now time.Duration) {
	q := b.queue
	if q == nil {
		return
	}
	for q.count > 0 {
		if w := q.expired(now - 1); w != nil {
			b.refuseExpired(w, now)
			continue
		}
		w := q.next()
		if b.admit(now, &w.need) {
			q.serve(w)
			close(w.done)
			continue
		}
		privileged := b.privileged(w)
		if privileged != nil && b.admit(now, &privileged.need) {
			q.serve(privileged)
			close(privileged.done)
			continue
		}
		if w := q.expired(now); w != nil { // nobody goes at this time, so it is over for him
			b.refuseExpired(w, now)
			continue
		}
		o := b.outlook(now, &w.need)
		if o.beyond > 0 {
			b.refuse(w, now, HeldTooLong, o.beyond)
			continue
		}
		wait := o.wait(0, w.cost)
		if privileged != nil {
			wait = min(wait, b.outlook(now, &privileged.need).wait(0, privileged.cost))
		}
		if privileged == nil && wait > w.expires-now {
			b.refuse(w, now, w.tooLate, now+min(wait, forever-now))
			continue
		}
		b.sleep(now, now+min(wait, forever-now))
		return
	}
	b.queue = nil
	if q.timer != nil {
		q.timer.Stop()
	}
}

// privileged returns who may go before w, who is next, because something is kept
// back for it; or nil.
func (b *bucket) privileged(w *waiter) *waiter {
	if b.pacing == nil || b.limiter.config.Reserve == 0 || w.priority == Interactive {
		return nil
	}
	return b.queue.laneOf(Interactive).first()
}

// sleep sets the timer to the time turn, when the next in the queue may go, or
// earlier when something else comes to pass.
func (b *bucket) sleep(now, turn time.Duration) {
	q := b.queue
	if b.slots != nil && !b.slots.free(now) {
		turn = b.slots.nextLeaseEnd() // or when a call ends, which dispatches
	}
	if len(q.expiry) > 0 {
		turn = min(turn, q.expiry[0].expires)
	}
	switch {
	case q.timer == nil:
		q.timer = time.AfterFunc(turn-now, b.tick)
	case q.alarm != turn:
		q.timer.Reset(turn - now)
	}
	q.alarm = turn
}

// tick is called by the timer. One that was stopped too late does no harm.
func (b *bucket) tick() {
	now := b.lock()
	defer b.mu.Unlock()
	if b.queue != nil {
		b.queue.alarm = 0
	}
	b.dispatch(now)
}

// refuseExpired sends w away, whose time is up, perhaps because others came who
// went first. Where it stands now is not worth counting.
func (b *bucket) refuseExpired(w *waiter, now time.Duration) {
	b.refuse(w, now, w.tooLate, max(w.due, now+min(b.outlook(now, &w.need).wait(0, w.cost), forever-now)))
}

// refuse sends w away, whose turn would have come at the time due.
func (b *bucket) refuse(w *waiter, now time.Duration, why Reason, due time.Duration) {
	b.queue.drop(w)
	w.refused = &Error{Key: b.key.String(), Reason: why, Wait: max(1, due-now)}
	close(w.done)
}

// replan times all who wait again after the budget has changed for the worse,
// and refuses those for whom it will be too late. It looks at all of them,
// unless even the last one still comes in time for the first that expires.
func (b *bucket) replan(now time.Duration) (told Replan) {
	q := b.queue
	if q == nil {
		return told
	}
	told.Waiting, q.unplanned = q.count, 0
	f := b.outlook(now, &q.next().need)
	if b.pacing != nil {
		b.pacing.replanned = b.pacing.plan.Rate
	}
	if f.beyond > 0 {
		told.Refused, told.Next = q.count, f.beyond-now
		b.dispatch(now) // which refuses them
		return told
	}
	if len(q.expiry) > 0 && f.wait(q.work(), 1) > q.expiry[0].expires-now {
		var late []*waiter
		ahead := int64(0)
		q.walk(func(w *waiter) bool {
			wait := f.wait(ahead, w.cost)
			w.due = now + min(wait, forever-now)
			if wait > w.expires-now {
				late = append(late, w)
				return false
			}
			ahead += int64(w.cost)
			return true
		})
		for _, w := range late {
			b.refuse(w, now, w.tooLate, w.due)
		}
		told.Refused = len(late)
	}
	told.Next = f.wait(0, 1)
	b.dispatch(now)
	return told
}
