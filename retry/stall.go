package retry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// StallTimeout returns a middleware that ends an answer whose body gives nothing
// for the time d while somebody reads it. [AttemptTimeout] stops at the header,
// and a limit for a whole body has to be as long as the longest takes; a server
// that falls silent in the middle is found by neither. It belongs beside
// AttemptTimeout:
//
//	holdfast.Chain(nil, retries.Wrap, limits.Wrap, circuits.Wrap, retry.AttemptTimeout(2*time.Second), retry.StallTimeout(10*time.Second))
//
// The clock runs only while a Read waits: a caller may take time between two of
// them, and a stream may go on for ever. Choose a d that is longer than the
// pauses of a stream, such as those between the comments that keep it alive.
//
// The Read ends with a [*StallError]. A Policy with Config.BufferResponses repeats
// such an attempt and a [Resume] goes on from there, like any other answer that
// breaks off, and a breaker above counts a failure. Upgraded connections have no
// limit. With a d of 0 or less there is none, and the middleware costs nothing.
func StallTimeout(d time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		next = httpx.Base(next)
		if d <= 0 {
			return next
		}
		return &stallLimit{next: next, stalled: &StallError{Limit: d}}
	}
}

// StallError is how a body ends that has given nothing for too long.
type StallError struct {
	// Limit is how long a Read has waited.
	Limit time.Duration
}

// Error names the limit.
func (e *StallError) Error() string {
	return fmt.Sprintf("retry: the answer's body gave nothing for %v", e.Limit)
}

// Timeout is true.
func (e *StallError) Timeout() bool { return true }

// Retryable is true: the next attempt may be luckier.
func (e *StallError) Retryable() bool { return true }

type stallLimit struct {
	next    http.RoundTripper
	stalled *StallError // the same for every answer, and the cause of its context's end
}

// RoundTrip sends req and limits the pauses in its answer's body.
func (s *stallLimit) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	answered := false
	defer func() {
		if !answered {
			cancel(nil)
		}
	}()
	run := &heard{request: *req.WithContext(ctx), stalled: s.stalled, cancel: cancel}
	resp, err := s.next.RoundTrip(&run.request)
	if err != nil || resp == nil {
		return resp, err
	}
	answered = true
	if resp.StatusCode == http.StatusSwitchingProtocols || !httpx.HasBody(resp) {
		httpx.Watch(resp, canceler(cancel))
	} else {
		run.ReadCloser, resp.Body = resp.Body, run
	}
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (s *stallLimit) CloseIdleConnections() { httpx.CloseIdle(s.next) }

// Unwrap returns the transport below.
func (s *stallLimit) Unwrap() http.RoundTripper { return s.next }

// heard is the body of an answer, with a clock that runs during each Read.
type heard struct {
	io.ReadCloser
	request http.Request // sent for the caller's, with a context of its own
	stalled *StallError
	cancel  context.CancelCauseFunc
	timer   *time.Timer // made by the first Read
	silent  atomic.Bool // the time of a Read was up
}

// Read ends when the body has given nothing for too long.
func (b *heard) Read(p []byte) (n int, err error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.stalled.Limit, b.giveUp)
	} else {
		b.timer.Reset(b.stalled.Limit)
	}
	defer func() {
		b.timer.Stop()
		if err == io.EOF { //nolint:errorlint // as readers compare it
			b.cancel(nil)
		} else if b.silent.Load() {
			err = b.stalled // what the transport makes of the cancelled context
		}
	}()
	return b.ReadCloser.Read(p)
}

// giveUp has the transport end the Read.
func (b *heard) giveUp() {
	b.silent.Store(true)
	b.cancel(b.stalled)
}

// Close frees the context, too. It may be called during a Read.
func (b *heard) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}
