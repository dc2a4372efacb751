package inbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/callback"
)

var (
	// ErrStale means that an event is not leased to its worker any more: its
	// lease was over, and somebody else has it or has ended it.
	ErrStale = errors.New("inbox: the lease was lost")
	// ErrTimeout is the cause of a handler's context that has ended because of
	// Config.Timeout.
	ErrTimeout = errors.New("inbox: the handler took too long")
	// ErrDraining is the cause of a handler's context that has ended because
	// [Inbox.Run] is to return.
	ErrDraining = errors.New("inbox: the worker is shutting down")
	// ErrGoexit is the error of a handler that has called runtime.Goexit.
	ErrGoexit = errors.New("inbox: the handler has ended its goroutine")
)

// FullError is returned by [Inbox.Put] when more than Config.MaxBacklog events
// would wait to be handled. Nothing was stored: the source has to send them
// again, and should be answered with 503 and a Retry-After. A webhook.Receiver
// does that.
type FullError struct {
	// Backlog is how many events waited, as far as was known.
	Backlog int
	// Wait is when to try again.
	Wait time.Duration
}

// Error tells how many events wait.
func (e *FullError) Error() string {
	return fmt.Sprintf("inbox: full: %d events wait to be handled", e.Backlog)
}

// RetryAfter is Wait.
func (e *FullError) RetryAfter() time.Duration { return e.Wait }

// Retryable is true: there will be room.
func (e *FullError) Retryable() bool { return true }

// StoreError is returned when the [Store] has failed. Whether it has stored
// anything is not known: the source has to send the events again, and should be
// answered with 503 and a Retry-After. A webhook.Receiver does that.
type StoreError struct {
	// Op is what was to be done: "put", "list" and so on.
	Op string
	// Err is the error of the store.
	Err error
}

// Error names the operation and gives the text of the store's error.
func (e *StoreError) Error() string { return "inbox: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *StoreError) Unwrap() error { return e.Err }

// RetryAfter is how long to wait before the next attempt.
func (*StoreError) RetryAfter() time.Duration { return storeRetryAfter }

// Retryable is true: the store may be back.
func (*StoreError) Retryable() bool { return true }

// EventError is returned by [Inbox.Put] for an event that can't be stored, and
// could not be later either. Nothing of its batch was stored.
type EventError struct {
	// Index is its place among the events that were put.
	Index int
	// Reason says what is wrong. It quotes nothing of the event.
	Reason string
}

// Error names the event and the reason.
func (e *EventError) Error() string { return fmt.Sprintf("inbox: event %d %s", e.Index, e.Reason) }

// Retryable is false.
func (*EventError) Retryable() bool { return false }

// PanicError is the error of a handler that has panicked.
type PanicError struct {
	// Value is what it panicked with.
	Value any
	// Stack is that of the goroutine, as debug.Stack gives it.
	Stack []byte
}

// Error gives the value, if it is an error or a string, or its type.
func (e *PanicError) Error() string { return "inbox: the handler " + callback.Describe(e.Value) }

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Permanent wraps the error of a handler to say that another attempt would fail
// as well: the event is Dead at once. A nil err stays nil.
//
// An error with a method Retryable() bool that returns false is not permanent
// for that: it may mean that a layer below has tried often enough for now.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

// Error is that of the error inside.
func (e *permanentError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter wraps the error of a handler to say when the next attempt should
// be: not before d has passed, at most Config.MaxRetryAfter. A nil err stays
// nil. Any error with a method RetryAfter() time.Duration, such as that of an
// open circuit, says the same.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &laterError{err, d}
}

type laterError struct {
	err  error
	wait time.Duration
}

// Error is that of the error inside.
func (e *laterError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *laterError) Unwrap() error { return e.err }

// RetryAfter is the time that was asked for.
func (e *laterError) RetryAfter() time.Duration { return e.wait }
