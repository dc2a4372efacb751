package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/internal/callback"
)

// Delivery is an event that is to be handled.
type Delivery struct {
	Event
	// Seq is the number of the event in its store.
	Seq int64
	// Fence grows each time that somebody gets the event. A system that keeps the
	// greatest it has seen of an event can refuse those who come late.
	Fence int64
	// Attempt is the number of this attempt, from 1.
	Attempt int
	// Crashes is how many of the attempts before ended without a word, because
	// their process died or lost its lease.
	Crashes int
	// Replays is how often the event was replayed.
	Replays int
	// Due is when it should have been handled: now less Due is how late it is.
	Due time.Time

	dedupe Hash
}

// IdempotencyKey names the event, in 64 hexadecimal digits. It is the same on
// each attempt and each replay: whoever gets it as an idempotency key, and
// honours it, does once what was asked for often. To have a replay done anew,
// add Replays to it.
func (d *Delivery) IdempotencyKey() string { return d.dedupe.String() }

func newDelivery(c *Claim) *Delivery {
	return &Delivery{
		Event: c.Event, Seq: c.Seq, Fence: c.Fence, Attempt: c.Attempt, Crashes: c.Crashes,
		Replays: c.Replays, Due: c.Due, dedupe: c.Dedupe,
	}
}

// call has d handled on a goroutine of its own, which the handler may end, and
// reports whether it is Done already.
func (in *Inbox) call(ctx context.Context, d *Delivery, token Token) (done bool, err error) {
	fault := callback.Run(func() {
		if in.config.HandleTx != nil {
			err = in.transact(ctx, d, token)
		} else {
			err = in.config.Handle(ctx, d)
		}
		if err != nil {
			_ = err.Error() // that of a nil pointer panics
		}
	})
	if fault != nil {
		err = errorOf(fault)
	}
	return err == nil && in.config.HandleTx != nil, err
}

// errorOf is the error of a handler that did not return.
func errorOf(fault *callback.Fault) error {
	if fault.Goexit() {
		return ErrGoexit
	}
	return &PanicError{Value: fault.Value, Stack: fault.Stack}
}

// transact tells the errors of the store from those of the handler.
func (in *Inbox) transact(ctx context.Context, d *Delivery, token Token) error {
	now, err := in.now(ctx)
	if err != nil {
		return storeError(ctx, "transact", err)
	}
	var failed error
	err = in.config.Store.(TxStore).Transact(ctx, now, token, func(tx *sql.Tx) error {
		failed = in.config.HandleTx(ctx, tx, d)
		return failed
	})
	switch {
	case failed != nil:
		return failed
	case err != nil && !errors.Is(err, ErrStale):
		return storeError(ctx, "transact", err)
	}
	return err
}

// unknownDelay is that of an event whose schedule could not be made.
const unknownDelay = time.Hour

// outcome is how an attempt ends that err is the error of. cause is why its
// context has ended, if it has.
func (in *Inbox) outcome(c *Claim, err, cause error) Outcome {
	if err == nil {
		return Outcome{State: Done}
	}
	// The methods of an error, and the schedule, are funcs of the program's.
	var o Outcome
	fault := callback.Run(func() { o = in.failed(c, err, cause) })
	switch {
	case fault == nil:
		return o
	case c.Attempt-c.Crashes >= max(1, in.config.MaxAttempts):
		o = Outcome{State: Dead, Hold: in.config.HoldKey}
	default:
		o = Outcome{State: Pending, Due: in.clock.time().Add(unknownDelay)}
	}
	o.Reason = reasonOf(fmt.Errorf("inbox: a callback %v, after: %w", fault, err))
	return o
}

// failed is the outcome of an err that is not nil.
func (in *Inbox) failed(c *Claim, err, cause error) Outcome {
	reason := reasonOf(err)
	dead := Outcome{State: Dead, Hold: in.config.HoldKey, Reason: reason}
	failures := c.Attempt - c.Crashes
	_, permanent := errors.AsType[*permanentError](err)
	switch {
	case permanent:
		return dead
	case errors.Is(cause, ErrDraining):
		return Outcome{State: Pending, Due: c.Due, GivenBack: true, Reason: reason}
	case failures >= max(1, in.config.MaxAttempts):
		return dead
	}
	delay := in.delay(failures)
	if delay == backoff.Stop {
		return dead
	}
	if asked, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		delay = max(delay, min(asked.RetryAfter(), in.config.MaxRetryAfter))
	}
	return Outcome{State: Pending, Due: in.clock.time().Add(min(max(0, delay), longest)), Reason: reason}
}

// delay is that after so many failures. A schedule does not outlive the process,
// so it is made anew.
func (in *Inbox) delay(failures int) time.Duration {
	schedule := in.config.Backoff()
	if schedule == nil {
		return backoff.Stop
	}
	delay := backoff.Stop
	for range max(1, failures) {
		if delay = schedule.NextBackOff(); delay == backoff.Stop {
			break
		}
	}
	return delay
}

// maxReason is how much of the text of an error is stored, in bytes.
const maxReason = 1 << 10

func reasonOf(err error) string {
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
