package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLimited is what errors.Is finds in every [*Error].
var ErrLimited = errors.New("ratelimit: limited")

// Error is returned for a request that was refused because its turn would have
// come too late. Nothing of it was sent, and it cost no token.
type Error struct {
	// Key is that of the bucket: the origin, or what Config.Key returned.
	Key string
	// Reason says what the wait was too long for.
	Reason Reason
	// Wait is the time, from the refusal on, after which the request could
	// have been sent, as far as could be foreseen. It is positive. Nobody knows
	// how long calls take that are under way: for one that waits for those,
	// because of Config.MaxInFlight, it is the least.
	Wait time.Duration
}

// Reason says why a request was refused.
type Reason int

const (
	// WaitTooLong means longer than Config.MaxWait.
	WaitTooLong Reason = iota + 1
	// DeadlineTooClose means not over before the deadline of the request's context.
	DeadlineTooClose
	// QueueFull means that Config.MaxQueue calls wait already, and that none of
	// them has to give way: those do whose turn would come last in a lower
	// lane, or in the same lane because their flow has more calls waiting.
	QueueFull
	// HeldTooLong means that the server has said, by a Retry-After or by a quota
	// that is spent, that it will serve us again only after Config.MaxRetryAfter,
	// or later. Once in that time a single call goes and asks.
	HeldTooLong
)

// String returns the reason in a few words.
func (r Reason) String() string {
	switch r {
	case WaitTooLong:
		return "longer than may be waited"
	case DeadlineTooClose:
		return "too late for the deadline"
	case QueueFull:
		return "and the queue is full"
	case HeldTooLong:
		return "longer than a server may keep us waiting"
	}
	return "unknown"
}

// Error names the bucket, the wait and the reason.
func (e *Error) Error() string {
	return fmt.Sprintf("ratelimit: %s: next turn in %v, %v", e.Key, e.Wait.Round(time.Millisecond), e.Reason)
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

// NotSent is true: the server has seen nothing of the request.
func (e *Error) NotSent() bool { return true }
