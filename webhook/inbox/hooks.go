package inbox

import "time"

// Hooks are told what an [Inbox] does. A nil func is not called. They run on
// the goroutine of the Put or of the worker, with no lock held, and must return
// soon. A panic of one is nobody's to hide: on the goroutine of a worker it ends
// the program. What it was told of has happened by then.
type Hooks struct {
	// Put is called for each event that was put, when it is durable.
	Put func(PutInfo)
	// Refused is called when a Put has failed with the error.
	Refused func(error)
	// Done is called when an event was handled.
	Done func(Attempt)
	// Retry is called when an attempt has failed and another will follow.
	Retry func(Attempt)
	// Dead is called when an event will not be tried again.
	Dead func(Attempt)
	// Lost is called when the end of an attempt could not be recorded, because
	// its lease was lost or the store has failed: the event will be, or was,
	// tried again.
	Lost func(Attempt)
	// StoreFailed is called when the store has failed in the work that [Inbox.Run]
	// does. It goes on after a while.
	StoreFailed func(*StoreError)
}

// PutInfo is what became of an event that was put.
type PutInfo struct {
	// Event is as it was stored. Its Body and Header must not be changed.
	Event *Event
	// Result says what became of it.
	Result Result
	// Duration is how long Put took.
	Duration time.Duration
}

// Attempt is one attempt at handling an event.
type Attempt struct {
	// Delivery is what the handler got. It must not be changed.
	Delivery *Delivery
	// Err is why it failed; nil if it did not.
	Err error
	// Next is when the next attempt is due, for Retry.
	Next time.Time
	// Duration is how long the handler took. 0 if it was not called.
	Duration time.Duration
}
