package retry

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// AttemptTimeout returns a middleware that gives every attempt the time d to
// answer. It belongs below [Policy.Wrap], and below a limiter and a breaker, so
// that waiting there does not count:
//
//	holdfast.Chain(nil, retries.Wrap, limits.Wrap, circuits.Wrap, retry.AttemptTimeout(2*time.Second))
//
// The clock stops when the answer's header has arrived; its body can be read
// without haste. When the time is up the attempt ends with a [*TimeoutError],
// which a Policy repeats like any other transport error, and which is the
// context.Cause of the attempt's context. If what is below says by a method
// NotSent that nothing was sent, because the time went by while it waited for a
// token, say, the error has that method too: even a POST is repeated then, and a
// breaker does not hold it against the server, unless what is below are retries
// that could not connect. The caller's own deadline and cancellation are reported
// as they are.
//
// With a d of 0 or less there is no limit and the middleware costs nothing.
func AttemptTimeout(d time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		next = httpx.Base(next)
		if d <= 0 {
			return next
		}
		return &timeLimit{next: next, alarm: newAlarm(&TimeoutError{Limit: d})}
	}
}

// TimeoutError is returned for an attempt that has used up its time. It is not
// context.DeadlineExceeded: that is the caller's deadline.
type TimeoutError struct {
	// Limit is the time that the attempt had.
	Limit time.Duration
}

// Error names the limit.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("retry: no answer to this attempt within %v", e.Limit)
}

// Timeout is true.
func (e *TimeoutError) Timeout() bool { return true }

// Retryable is true: the next attempt may be faster.
func (e *TimeoutError) Retryable() bool { return true }

// unsent is a TimeoutError of an attempt whose time was up before anything was
// sent, as the error from below says.
type unsent struct {
	*TimeoutError
	refused bool
}

// NotSent is true.
func (unsent) NotSent() bool { return true }

// Refused reports whether nobody tried to send it either, see [Error.Refused].
func (e unsent) Refused() bool { return e.refused }

// Unwrap returns the TimeoutError.
func (e unsent) Unwrap() error { return e.TimeoutError }

type timeLimit struct {
	next  http.RoundTripper
	alarm *alarm
}

// RoundTrip sends req and cancels it if no answer comes in time.
func (t *timeLimit) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	run := &timed{request: *req.WithContext(ctx), cancel: cancel}
	t.alarm.set(run)
	answered := false
	defer func() {
		if !answered {
			t.alarm.clear(run)
			cancel(nil)
		}
	}()
	resp, err := t.next.RoundTrip(&run.request)
	if err != nil || resp == nil {
		return resp, t.blame(ctx, err)
	}
	if !t.alarm.clear(run) {
		// The answer came in the same moment. Its body is dead, or soon will be.
		httpx.Discard(resp)
		cancel(t.alarm.expired)
		return nil, context.Cause(ctx)
	}
	answered = true
	httpx.Watch(resp, canceler(cancel))
	return resp, nil
}

// blame returns the error of an attempt that ended with err.
func (t *timeLimit) blame(ctx context.Context, err error) error {
	expired := t.alarm.expired
	switch {
	case err == nil || context.Cause(ctx) != expired: //nolint:errorlint // the very value
		return err
	case httpx.SaysNotSent(err):
		return unsent{expired, httpx.SaysRefused(err)}
	}
	return expired
}

// CloseIdleConnections forwards to the transport below.
func (t *timeLimit) CloseIdleConnections() { httpx.CloseIdle(t.next) }

// Unwrap returns the transport below.
func (t *timeLimit) Unwrap() http.RoundTripper { return t.next }

// canceler frees an attempt's context when its body has ended.
type canceler context.CancelCauseFunc

// End cancels.
func (c canceler) End(error) { c(nil) }
