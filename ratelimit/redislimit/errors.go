package redislimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLimited is what errors.Is finds in every [*Error].
var ErrLimited = errors.New("redislimit: limited")

// Error is returned for a request that was refused. Nothing of it was sent, and
// it cost no slot.
type Error struct {
	// Key is that of the bucket: the origin, or what Config.Key returned.
	Key string
	// Reason says why.
	Reason Reason
	// Wait is the time, from the refusal on, before which the request could
	// not have been sent, as far as could be foreseen; with the reason
	// Unavailable it is the time to the next attempt to reach Redis. It is
	// positive.
	Wait time.Duration
}

// Reason says why a request was refused.
type Reason int

const (
	// WaitTooLong means longer than Config.MaxWait.
	WaitTooLong Reason = iota + 1
	// DeadlineTooClose means not over before the deadline of the context.
	DeadlineTooClose
	// QueueFull means that Config.MaxQueue others wait already.
	QueueFull
	// Unavailable means that Redis is down and the mode FailClosed.
	Unavailable
)

// String returns the reason in a few words.
func (r Reason) String() string {
	switch r {
	case WaitTooLong:
		return "longer than may be waited"
	case DeadlineTooClose:
		return "too late for the deadline"
	case QueueFull:
		return "the queue is full"
	case Unavailable:
		return "Redis is unavailable"
	}
	return "unknown"
}

// Error names the bucket, the wait and the reason.
func (e *Error) Error() string {
	if e.Reason == Unavailable {
		return fmt.Sprintf("redislimit: %s: %v, next attempt in %v", e.Key, e.Reason, e.Wait.Round(time.Millisecond))
	}
	return fmt.Sprintf("redislimit: %s: next turn in %v, %v", e.Key, e.Wait.Round(time.Millisecond), e.Reason)
}

// Is makes errors.Is(err, ErrLimited) true, and errors.Is(err,
// context.DeadlineExceeded) when the deadline was the reason.
func (e *Error) Is(target error) bool {
	return target == ErrLimited || e.Reason == DeadlineTooClose && target == context.DeadlineExceeded
}

// Timeout reports whether the deadline was the reason. http.Client and
// url.Error ask for it.
func (e *Error) Timeout() bool { return e.Reason == DeadlineTooClose }

// RetryAfter is Wait.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

// Retryable is true: there will be a turn.
func (e *Error) Retryable() bool { return true }

// NotSent is true: the upstream has seen nothing of the request.
func (e *Error) NotSent() bool { return true }

// ReplyError says that Redis has answered something that the script does not
// say. It counts as a failure of Redis, and is seen in Outage.Err.
type ReplyError struct{ problem string }

// Error says what is wrong with the reply.
func (e *ReplyError) Error() string { return "redislimit: unexpected reply: " + e.problem }
