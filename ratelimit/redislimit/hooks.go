package redislimit

import (
	"sync"
	"sync/atomic"
	"time"
)

// Hooks are told what the limiter does. A nil func is not called. They run on
// the goroutine of a request, with no lock held. What a call of Redis has come
// to is told by the next request, or by one that waits; of more than 64 events
// that nobody has come to tell, the oldest are lost.
type Hooks struct {
	// Lease is called for each lease.
	Lease func(Lease)
	// Degraded is called when Redis has ceased to answer.
	Degraded func(Outage)
	// Recovered is called when Redis answers again.
	Recovered func(Outage)
	// Refused is called for each request that was refused with an Error, but
	// not for what Config.Ready refuses.
	Refused func(*Error)
}

// Lease is a run of slots that Redis has given to this replica.
type Lease struct {
	// Key is that of the bucket.
	Key string
	// Slots is how many there are.
	Slots int
	// Wait is the time to the first of them.
	Wait time.Duration
	// Replicas is how many replicas have used the key of late.
	Replicas int
}

// Outage is a time without Redis.
type Outage struct {
	// Err is why it began. It is nil at its end.
	Err error
	// For is how long it has lasted. It is 0 at its begin.
	For time.Duration
}

// event is something that happened on a goroutine that must not call hooks:
// nobody there could recover from their panics. One field is set.
type event struct {
	lease     *Lease
	degraded  *Outage
	recovered *Outage
}

// events are those not told yet.
type events struct {
	some atomic.Bool // spares the lock when there is nothing to tell

	mu   sync.Mutex
	list []event
}

const maxEvents = 64

func (e *events) add(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == maxEvents {
		e.list = append(e.list[:0], e.list[1:]...)
	}
	e.list = append(e.list, v)
	e.some.Store(true)
}

func (e *events) next() (event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == 0 {
		e.some.Store(false)
		return event{}, false
	}
	v := e.list[0]
	e.list = append(e.list[:0], e.list[1:]...)
	return v, true
}

// tell calls the hooks. If one panics, the next request tells the rest.
func (l *Limiter) tell() {
	if !l.events.some.Load() {
		return
	}
	hooks := &l.config.Hooks
	for v, ok := l.events.next(); ok; v, ok = l.events.next() {
		switch {
		case v.lease != nil && hooks.Lease != nil:
			hooks.Lease(*v.lease)
		case v.degraded != nil && hooks.Degraded != nil:
			hooks.Degraded(*v.degraded)
		case v.recovered != nil && hooks.Recovered != nil:
			hooks.Recovered(*v.recovered)
		}
	}
}
