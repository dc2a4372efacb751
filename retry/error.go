package retry

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Error is what a call returns that was, or could have been, sent again and
// ended without a response. The error of a call that failed at once, in a way
// that is never retried, is returned as it is, unless it would pass for a proof
// that nothing was sent, and is none: see [Error.NotSent].
type Error struct {
	// Attempts is how often it was tried, at least once. Attempts that
	// something below has refused are among them.
	Attempts int
	// Reason says why it was not sent again.
	Reason Reason
	// Status is that of the last answer, which has been discarded, when the
	// context ended during the wait that followed it; else 0.
	Status int
	// Err is the last transport error, or what was wrong with the last answer
	// apart from its status; else nil.
	Err error
	// Cause is the cause of the context's end, for the reason Canceled, or the
	// error of GetBody, for the reason BodyNotRepeatable; else nil.
	Cause error
	// History has one entry for each attempt. Of more than a thousand it has the
	// first three and no fewer than the last five hundred.
	History []Try

	notSent bool  // no attempt can have come to the server
	refused bool  // nor did any try to
	ended   error // the Err of the call's context
}

// Try is one attempt of a call.
type Try struct {
	// Status is that of the answer; 0 if there was none.
	Status int
	// Err is what failed; nil if it was the status alone.
	Err error
	// At is when the attempt had ended.
	At time.Time
	// Verdict is what it came to: Stop, RetryIfSafe or RetryAnyway. Why the last
	// attempt was not repeated though it might have been is the error's Reason.
	Verdict Verdict
	// Delay is the wait that was planned after it; 0 after the last one.
	Delay time.Duration
}

// Error tells the number of attempts, the reason and the last failure. It
// holds no URL, header or body of its own, and the texts of Err and Cause as they
// are: that of an http.Client inside of [Do] has the URL with its query.
func (e *Error) Error() string {
	plural := "s"
	if e.Attempts == 1 {
		plural = ""
	}
	msg := fmt.Sprintf("retry: %d attempt%s, %v", e.Attempts, plural, e.Reason)
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	switch {
	case e.Err != nil:
		msg += ": last error: " + e.Err.Error()
	case e.Status != 0:
		msg += fmt.Sprintf(": last answer: %d %s", e.Status, http.StatusText(e.Status))
	}
	return msg
}

// Unwrap returns those that there are of the last error, the cause, and the
// error of the call's context: context.Canceled or context.DeadlineExceeded, also
// where the cause is another.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, 3)
	for _, err := range []error{e.Err, e.Cause, e.ended} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// NotSent reports whether the server has certainly seen nothing of any attempt.
// A layer above must not go by the last one alone, which a circuit may have
// refused that the ones before have opened.
func (e *Error) NotSent() bool { return e.notSent }

// Refused reports whether something below has refused every attempt, such as a
// limiter or an open circuit. If so, nothing can be held against the server; a
// breaker above goes by it, because a server that nobody could connect to has
// seen nothing either.
func (e *Error) Refused() bool { return e.refused }

// Retryable is false: a retry layer above would only multiply the attempts.
func (e *Error) Retryable() bool { return false }

// Timeout reports whether the call ended because of a time limit. http.Client
// and url.Error ask for it.
func (e *Error) Timeout() bool {
	for _, err := range e.Unwrap() {
		if t, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); ok && t.Timeout() {
			return true
		}
	}
	return false
}
