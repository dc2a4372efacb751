package inbox

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
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
	ended := make(chan error, 1)
	go func() {
		err := ErrGoexit
		defer func() { ended <- err }()
		err = protect(func() error {
			if in.config.HandleTx != nil {
				return in.transact(ctx, d, token)
			}
			return in.config.Handle(ctx, d)
		})
		err = readable(err)
	}()
	err = <-ended
	return err == nil && in.config.HandleTx != nil, err
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

// protect turns a panic of f into an error.
func protect(f func() error) (err error) {
	ended := false
	defer func() {
		if ended {
			return
		}
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	err = f()
	ended = true
	return err
}

// readable returns err, or what its text panics with: a handler that returns a
// nil pointer as an error must not end the process.
func readable(err error) error {
	if err == nil {
		return nil
	}
	if panicked := protect(func() error { _ = err.Error(); return nil }); panicked != nil {
		return panicked
	}
	return err
}

// outcome is how an attempt ends that err is the error of. cause is why its
// context has ended, if it has.
func (in *Inbox) outcome(c *Claim, err, cause error) Outcome {
	if err == nil {
		return Outcome{State: Done}
	}
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
