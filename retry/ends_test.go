package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestNoWaitPastTheDeadline(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]rttest.Step{
		"answer": {Status: 503, Body: "sorry", Header: []string{"Retry-After", "10"}},
		"error":  {Err: behaving{retryable: true, after: 10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				s := rttest.NewScript(step)
				begin := time.Now()
				resp, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
				require.Zero(t, time.Since(begin), "the caller learns it at once")
				if step.Err == nil {
					require.NoError(t, err)
					data, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.Equal(t, "sorry", string(data))
					return
				}
				var e *retry.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, retry.DeadlineTooClose, e.Reason)
				require.ErrorIs(t, err, step.Err)
			})
		})
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	gone := errors.New("the user closed the window")
	for name, tt := range map[string]struct {
		step rttest.Step
		text string
	}{
		"after an answer": {
			rttest.Step{Status: 503, Body: "sorry"},
			"retry: 1 attempt, canceled while waiting: the user closed the window: last answer: 503 Service Unavailable",
		},
		"after an error": {
			rttest.Step{Err: errBroken},
			"retry: 1 attempt, canceled while waiting: the user closed the window: last error: connection broken",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(gone) })
				s := rttest.NewScript(tt.step)
				begin := time.Now()
				_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(5 * time.Second)}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
				require.Equal(t, time.Second, time.Since(begin))
				require.ErrorIs(t, err, gone)
				require.ErrorIs(t, err, context.Canceled, "whatever its cause")
				require.EqualError(t, err, tt.text)
				var e *retry.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, retry.Canceled, e.Reason)
				require.Equal(t, tt.step.Status, e.Status)
				if tt.step.Err != nil {
					require.ErrorIs(t, err, tt.step.Err)
				}
			})
		})
	}
}

// A call whose context ends has that in its error, whatever the cause of the end
// is and whatever the transport makes of it.
func TestContextEndsInAnAttempt(t *testing.T) {
	t.Parallel()
	late := errors.New("the batch is over")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, late)
		defer cancel()
		s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{Wait: time.Hour})
		_, err := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
		require.ErrorIs(t, err, late)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.NotRetryable, e.Reason)
		require.True(t, e.Timeout())
	})
}

func TestTimeoutShowsThroughClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{Wait: time.Hour})
		client := &http.Client{Transport: newPolicy(t, retry.Config{Backoff: retry.Constant(0)}).Wrap(s), Timeout: time.Minute}
		resp, err := client.Do(newRequest(t, http.MethodGet, nil))
		if err == nil {
			_ = resp.Body.Close()
		}
		var e *url.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Timeout())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	require.False(t, (&retry.Error{Err: errBroken}).Timeout())
	require.True(t, (&retry.Error{Err: errBroken, Cause: context.DeadlineExceeded}).Timeout())
}
