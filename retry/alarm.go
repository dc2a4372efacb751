package retry

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// alarm ends attempts that have used up their time. All of them have the same
// limit, so they expire in the order in which they began, and one timer, set
// for the first of them, does for all. It runs only while there is an attempt.
type alarm struct {
	expired *TimeoutError // the same for every attempt, and the cause of its context's end
	start   time.Time
	ring    func() // the method, made a func once

	mu          sync.Mutex
	timer       *time.Timer // nil when there is no attempt
	stale       int         // how many timers ring in vain: they were stopped too late
	first, last *timed
}

// timed is an attempt under way.
type timed struct {
	request    http.Request // sent for the caller's, with a context of its own
	cancel     context.CancelCauseFunc
	at         time.Duration // when its time is up, since the alarm's start; 0 if the timer was made for it
	prev, next *timed        // guarded by alarm.mu
	set        bool          // guarded by alarm.mu: it is in the list
}

func newAlarm(expired *TimeoutError) *alarm {
	a := &alarm{expired: expired, start: time.Now()}
	a.ring = a.expire
	return a
}

// set gives run its time from now on. An attempt that is alone, as most are,
// needs no reading of the clock but the timer's own.
func (a *alarm) set(run *timed) {
	a.mu.Lock()
	run.set = true
	if a.first == nil {
		a.first = run
		a.timer = time.AfterFunc(a.expired.Limit, a.ring)
	} else {
		run.at = time.Since(a.start) + a.expired.Limit // under the lock: the list is in this order
		run.prev = a.last
		a.last.next = run
	}
	a.last = run
	a.mu.Unlock()
}

// clear takes run out and reports whether its time was not yet up.
func (a *alarm) clear(run *timed) bool {
	a.mu.Lock()
	inTime := run.set
	if inTime {
		a.remove(run)
		if a.first == nil {
			if !a.timer.Stop() {
				a.stale++
			}
			a.timer = nil
		}
	}
	a.mu.Unlock()
	return inTime
}

// remove takes run out of the list.
func (a *alarm) remove(run *timed) {
	if run.prev != nil {
		run.prev.next = run.next
	} else {
		a.first = run.next
	}
	if run.next != nil {
		run.next.prev = run.prev
	} else {
		a.last = run.prev
	}
	run.prev, run.next, run.set = nil, nil, false
}

// expire cancels the attempts whose time is up.
func (a *alarm) expire() {
	for run := a.due(); run != nil; {
		next := run.next
		run.next = nil
		run.cancel(a.expired)
		run = next
	}
}

// due takes out the attempts whose time is up, the next behind each, and sets
// the timer for the first of the others: it may have been set for one that has
// ended since.
func (a *alarm) due() (first *timed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stale > 0 {
		// A later timer may be the first to come here. Then the one that was
		// stopped too late does its work, and that is late enough.
		a.stale--
		return nil
	}
	var last *timed
	for a.first != nil {
		run := a.first
		if run.at > 0 {
			if left := run.at - time.Since(a.start); left > 0 {
				a.timer.Reset(left)
				return first
			}
		}
		a.remove(run)
		if last == nil {
			first = run
		} else {
			last.next = run
		}
		last = run
	}
	a.timer = nil
	return first
}
