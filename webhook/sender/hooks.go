package sender

import "time"

// Hooks are told what a [Sender] does. A nil func is not called. They run on
// the goroutine of the worker, with no lock held, and must return soon. A panic
// of one is nobody's to hide: it ends the program. What it was told of has
// happened by then.
type Hooks struct {
	// Delivered is called when an endpoint has taken a message.
	Delivered func(Attempt)
	// Retry is called when an attempt has failed, or could not be made, and
	// another will follow.
	Retry func(Attempt)
	// Dead is called when a message will not be tried again.
	Dead func(Attempt)
	// Lost is called when the end of an attempt could not be recorded, because
	// its lease was lost or the store has failed: the message will be, or was,
	// delivered again under the same ID.
	Lost func(Attempt)
	// Disabled is called when an endpoint was disabled, for its failures or for a
	// 410: somebody should tell its owner. It is not called for [Sender.Disable].
	Disabled func(Health)
	// StoreFailed is called when the store has failed in the work that [Sender.Run]
	// does. It goes on after a while.
	StoreFailed func(*StoreError)
}

// Attempt is one attempt at delivering a message.
type Attempt struct {
	// Message must not be changed.
	Message Message
	// Number is that of the attempt, from 1.
	Number int
	// Status is that of the answer, 0 if there was none.
	Status int
	// Err is why it failed, a [*DeliveryError]; nil if it did not, unless
	// something has panicked after a delivery. For Lost it is that of the store.
	Err error
	// GivenBack says that it did not count as an attempt.
	GivenBack bool
	// Created is when the message was stored, and Next when the next attempt is
	// due, for Retry.
	Created, Next time.Time
	// Duration is how long it took.
	Duration time.Duration
}
