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
	first, last *timed
}

// timed is an attempt under way.
type timed struct {
	request    http.Request // sent for the caller's, with a context of its own
	cancel     context.CancelCauseFunc
	at         time.Duration // when its time is up, since the alarm's start
	prev, next *timed        // guarded by alarm.mu
	set        bool          // guarded by alarm.mu: it is in the list
}

func newAlarm(expired *TimeoutError) *alarm {
	a := &alarm{expired: expired, start: time.Now()}
	a.ring = a.expire
	return a
}

// set gives run its time from now on.
func (a *alarm) set(run *timed) {
	a.mu.Lock()
	run.at = time.Since(a.start) + a.expired.Limit // under the lock: the list is in this order
	run.set = true
	if a.first == nil {
		a.first = run
		a.timer = time.AfterFunc(a.expired.Limit, a.ring)
	} else {
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
			// If it is ringing already it finds nobody, or a successor whose
			// own timer it sets to the time that it has.
			a.timer.Stop()
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
	for more := true; more; {
		var run *timed
		if run, more = a.due(); run != nil {
			run.cancel(a.expired)
		}
	}
}

// due takes out the first attempt if its time is up, and reports whether there
// are more. If not, because the timer was set for one that has ended since, it
// sets the timer for the first.
func (a *alarm) due() (run *timed, more bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	run = a.first
	if run == nil {
		return nil, false
	}
	if left := run.at - time.Since(a.start); left > 0 {
		a.timer.Reset(left)
		return nil, false
	}
	a.remove(run)
	if a.first == nil {
		a.timer = nil
	}
	return run, a.first != nil
}
