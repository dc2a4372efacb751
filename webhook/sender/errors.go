package sender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/callback"
)

// ErrBlocked is what errors.Is finds in a [*BlockedError].
var ErrBlocked = errors.New("sender: the address is blocked")

// BlockedError is returned for a connection that a [Guard] has not let be made.
type BlockedError struct {
	// To is the address and port that it would have gone to, zero if they are
	// not known. It says what one's own DNS answers, so it is not in the text of
	// the error, which may come to be seen by the one who chose the URL.
	To netip.AddrPort
	// Reason is why, such as "loopback (RFC 1122)".
	Reason string
}

// Error gives the reason and not the address.
func (e *BlockedError) Error() string { return "sender: the address is blocked: " + e.Reason }

// Is makes errors.Is(err, ErrBlocked) true.
func (e *BlockedError) Is(target error) bool { return target == ErrBlocked }

// Retryable is false: the same would come of it.
func (e *BlockedError) Retryable() bool { return false }

// NotSent is true: no connection was made.
func (e *BlockedError) NotSent() bool { return true }

// URLError is returned for a URL that nothing can be delivered to.
type URLError struct {
	// Reason is what is wrong with it. It quotes nothing of the URL.
	Reason string
}

// Error gives the reason.
func (e *URLError) Error() string { return "sender: the URL " + e.Reason }

// Retryable is false: the same would come of it.
func (e *URLError) Retryable() bool { return false }

// NotSent is true.
func (e *URLError) NotSent() bool { return true }

var (
	// ErrNoEndpoint is what Config.Endpoint returns for an endpoint that does not
	// exist: its messages are Dead.
	ErrNoEndpoint = errors.New("sender: there is no such endpoint")
	// ErrStale means that a message is not leased to its worker any more.
	ErrStale = errors.New("sender: the lease was lost")
	// ErrTimeout is the error of an attempt that took longer than Config.Timeout.
	ErrTimeout = errors.New("sender: the endpoint took too long")
	// ErrDraining is the error of an attempt that was cut off because
	// [Sender.Run] is to return.
	ErrDraining = errors.New("sender: it is shutting down")
	// ErrGoexit is the error of an attempt in which a func of the program's has
	// called runtime.Goexit.
	ErrGoexit = errors.New("sender: a callback has ended its goroutine")
	// ErrRunning is returned by [Sender.Run] while another one runs.
	ErrRunning = errors.New("sender: it runs already")
	// ErrNoTx is returned by [Sender.EnqueueTx] if the Store is no [TxStore].
	ErrNoTx = errors.New("sender: the store has no transactions")
)

// StatusError is the error of an attempt that was answered with anything but a
// 2xx.
type StatusError struct {
	// Status is the code of the answer. A redirect is an answer like any other.
	Status int
	// Wait is what its Retry-After asks for, 0 if it has none.
	Wait time.Duration
}

// Error gives the status.
func (e *StatusError) Error() string { return fmt.Sprintf("sender: status %d", e.Status) }

// RetryAfter is Wait.
func (e *StatusError) RetryAfter() time.Duration { return e.Wait }

// DeliveryError is the error of an attempt. It has nothing of the endpoint's URL
// but scheme, host and port, nothing of the body and no key.
type DeliveryError struct {
	// Endpoint and ID are those of the message.
	Endpoint, ID string
	// Attempt is the number of the attempt, from 1.
	Attempt int
	// Origin is scheme, host and port of the URL, such as "https://example.com";
	// empty if the attempt did not come so far.
	Origin string
	// Err is what went wrong: a [*StatusError], a [*BlockedError], a
	// [*URLError], [ErrTimeout], a *breaker.OpenError, a [*PanicError], or that
	// of the transport or of Config.Endpoint.
	Err error
}

// Error names the message, the origin and what went wrong.
func (e *DeliveryError) Error() string {
	to := e.Endpoint
	if e.Origin != "" {
		to += " (" + e.Origin + ")"
	}
	return fmt.Sprintf("sender: message %s to %s, attempt %d: %v", e.ID, to, e.Attempt, e.Err)
}

// Unwrap returns Err.
func (e *DeliveryError) Unwrap() error { return e.Err }

// PanicError is the error of an attempt in which a func of the program's has
// panicked: Config.Endpoint, DangerouslyTransport, Backoff, or one of Circuits.
type PanicError struct {
	// Value is what it has panicked with.
	Value any
	// Stack is that of the goroutine, as debug.Stack gives it.
	Stack []byte
}

// Error gives the value, if it is an error or a string, or its type.
func (e *PanicError) Error() string { return "sender: a callback " + callback.Describe(e.Value) }

// errorOf is the error of an attempt that did not return.
func errorOf(fault *callback.Fault) error {
	if fault.Goexit() {
		return ErrGoexit
	}
	return &PanicError{Value: fault.Value, Stack: fault.Stack}
}

// MessageError is returned for a message that cannot be stored. Nothing of its
// batch was stored.
type MessageError struct {
	// Index is its place among the messages.
	Index int
	// Reason says what is wrong. It quotes nothing of the message.
	Reason string
}

// Error gives the place and the reason.
func (e *MessageError) Error() string { return fmt.Sprintf("sender: message %d %s", e.Index, e.Reason) }

// Retryable is false.
func (e *MessageError) Retryable() bool { return false }

// FullError is returned by a [Store] that has no room. Nothing was stored.
type FullError struct {
	// Messages is how many wait to be delivered.
	Messages int
}

// Error gives the number.
func (e *FullError) Error() string {
	return fmt.Sprintf("sender: full: %d messages wait to be delivered", e.Messages)
}

// Retryable is true: there will be room.
func (e *FullError) Retryable() bool { return true }

// StoreError is returned when the [Store] has failed.
type StoreError struct {
	// Op is what was to be done: "put", "claim" and so on.
	Op string
	// Err is the error of the store.
	Err error
}

// Error names the operation and gives the text of the store's error.
func (e *StoreError) Error() string { return "sender: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *StoreError) Unwrap() error { return e.Err }

// Retryable is true: the store may be back.
func (e *StoreError) Retryable() bool { return true }

// storeError makes an error of the store one of the sender. Stores return what
// their drivers do when a context ends, which may not be its cause.
func storeError(ctx context.Context, op string, err error) error {
	if full, ok := errors.AsType[*FullError](err); ok {
		return full
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return &StoreError{Op: op, Err: err}
}

// hide returns err without the texts that may be secret. errors.Is finds what it
// finds in err; errors.As a *BlockedError alone, since any other error may have
// the texts in its fields.
func hide(err error, secrets ...string) error {
	text := err.Error()
	clean := text
	for _, s := range secrets {
		if len(s) >= minHidden {
			clean = strings.ReplaceAll(clean, s, "[redacted]")
		}
	}
	if clean == text {
		return err
	}
	return &hiddenError{text: clean, is: func(target error) bool { return errors.Is(err, target) }, as: func(target any) bool {
		_, blocked := target.(**BlockedError)
		return blocked && errors.As(err, target)
	}}
}

// minHidden is the length of the shortest text that is looked for in others:
// shorter ones, such as "/", would be found everywhere.
const minHidden = 4

// hiddenError keeps the error in closures, where fmt does not look.
type hiddenError struct {
	text string
	is   func(error) bool
	as   func(any) bool
}

// Error gives the text without secrets.
func (e *hiddenError) Error() string { return e.text }

// Is asks the error behind.
func (e *hiddenError) Is(target error) bool { return e.is(target) }

// As asks the error behind for a *BlockedError.
func (e *hiddenError) As(target any) bool { return e.as(target) }
