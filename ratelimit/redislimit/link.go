package redislimit

import (
	"sync"
	"time"
)

// link is the circuit breaker in front of Redis, one for all keys. One failure
// opens it: a failed call has cost its requests the whole timeout already, and
// they have another way to go. Then one call per probe interval goes through.
type link struct {
	probe time.Duration

	mu       sync.Mutex
	down     bool
	since    time.Duration // when it went down
	next     time.Duration // the next probe, while it is down
	probing  bool
	sequence int // counts the changes: a late result of an older state changes nothing
}

// admit reports whether a call may be made, and which state it belongs to.
func (l *link) admit(now time.Duration) (sequence int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		if l.probing || now < l.next {
			return 0, false
		}
		l.probing = true
	}
	return l.sequence, true
}

// report takes the result of a call. It returns whether the state has changed,
// and how long Redis was down if it is back.
func (l *link) report(sequence int, now time.Duration, failed bool) (changed bool, outage time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sequence != l.sequence {
		return false, 0
	}
	l.probing = false
	changed = l.down != failed
	if failed {
		l.next = now + l.probe
	}
	if !changed {
		return false, 0
	}
	l.sequence++
	if l.down = failed; failed {
		l.since = now
	}
	return true, now - l.since
}

// untilProbe is how long it takes to the next probe, at least a nanosecond.
func (l *link) untilProbe(now time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(1, l.next-now)
}

// state returns whether Redis is down, and since when.
func (l *link) state() (down bool, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down, l.since
}
