package retry

import (
	"net/http"
	"time"
)

// Hooks are told what a [Policy] decides. A nil func is not called; on a call
// that succeeds at once none is. They run on the goroutine of the call, with no
// lock held, and must not touch the request's body.
type Hooks struct {
	// Retry is called when a failed attempt is going to be followed by another,
	// before the wait.
	Retry func(Event)
	// GiveUp is called when a failed call is not repeated, or not any more.
	GiveUp func(Event)
}

// Event is one decision about one failed attempt.
type Event struct {
	// Request is the caller's, nil for Do. Read it only.
	Request *http.Request
	// Attempt is the number of the attempt that failed, from 1.
	Attempt int
	// Status is that of the answer; 0 if there was none.
	Status int
	// Err is the transport error, what cut the answer off, or what Check said
	// of it; nil if the status alone made the attempt a failure.
	Err error
	// Delay is the wait before the next attempt (Retry).
	Delay time.Duration
	// Reason says why there is no next attempt (GiveUp).
	Reason Reason
}

// Reason says why a failed call was not repeated.
type Reason int

// The reasons.
const (
	// NotRetryable means: a failure of this kind would only happen again, such as a
	// certificate that does not verify, or the caller has gone.
	NotRetryable Reason = iota + 1
	// NotIdempotent means: the server may have done the work already, and doing it
	// twice could do harm.
	NotIdempotent
	// AttemptsExhausted means: Config.MaxAttempts have been made.
	AttemptsExhausted
	// NestedRetry means: the call is part of another retry layer's repetition.
	// Two layers add up, but do not multiply.
	NestedRetry
	// BodyNotRepeatable means: the body has been sent in part and can't be had
	// again, because it has no GetBody and is longer than Config.MaxBuffer, or
	// because GetBody has failed.
	BodyNotRepeatable
	// RetryAfterTooLong means: the wait asked for is longer than
	// Config.MaxRetryAfter.
	RetryAfterTooLong
	// BackoffStopped means: the schedule said backoff.Stop.
	BackoffStopped
	// DeadlineTooClose means: the wait would not end before the context's deadline.
	DeadlineTooClose
	// ElapsedTimeTooLong means: the wait would not end within
	// Config.MaxElapsed.
	ElapsedTimeTooLong
	// BudgetExhausted means: Config.Budget has nothing left for repetitions.
	BudgetExhausted
	// Canceled means: the context ended during the wait.
	Canceled
)

var reasons = [...]string{
	NotRetryable:       "not retryable",
	NotIdempotent:      "not idempotent",
	AttemptsExhausted:  "attempts exhausted",
	NestedRetry:        "nested in another retry",
	BodyNotRepeatable:  "body not repeatable",
	RetryAfterTooLong:  "Retry-After too long",
	BackoffStopped:     "backoff stopped",
	DeadlineTooClose:   "deadline too close",
	ElapsedTimeTooLong: "elapsed time too long",
	BudgetExhausted:    "retry budget exhausted",
	Canceled:           "canceled while waiting",
}

// String returns the reason in a few words.
func (r Reason) String() string {
	if r <= 0 || int(r) >= len(reasons) {
		return "unknown"
	}
	return reasons[r]
}
