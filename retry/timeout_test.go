package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestAttemptTimeoutContract(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]time.Duration{"a second": time.Second, "an hour": time.Hour, "off": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return retry.AttemptTimeout(d) },
			})
		})
	}
}

func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Wait: time.Minute}, rttest.Step{Wait: time.Minute}, rttest.Step{Wait: time.Second, Body: "answer"})
		rt := newPolicy(t, retry.Config{Backoff: retry.Constant(time.Second)}).Wrap(retry.AttemptTimeout(5 * time.Second)(s))
		begin := time.Now()
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, 13*time.Second, time.Since(begin), "twice five seconds, two waits, and the answer")
		time.Sleep(time.Hour)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err, "the winner's body is never cut")
		require.Equal(t, "answer", string(data))
		require.NoError(t, resp.Body.Close())
	})
}

func TestAttemptTimeoutIsNotTheCallers(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"attempt's": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, &retry.TimeoutError{Limit: 5 * time.Second}},
		"caller's deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
		"caller's cancellation": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(gone) })
			return ctx, func() { cancel(nil) }
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				rt := retry.AttemptTimeout(5 * time.Second)(rttest.NewScript(rttest.Step{Wait: time.Hour}))
				_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
				require.Equal(t, tt.want, err)
				if timeout, ok := errors.AsType[*retry.TimeoutError](err); ok {
					require.True(t, timeout.Timeout())
					require.NotErrorIs(t, err, context.DeadlineExceeded)
					require.EqualError(t, err, "retry: no answer to this attempt within 5s")
				}
			})
		})
	}
}

// An answer that comes in the moment of the timeout has a body that is dead: it
// must not be handed out as good.
func TestAttemptTimeoutInTheSameMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Body: "answer"})
		late := rttest.Func(func(req *http.Request) (*http.Response, error) {
			resp, err := s.RoundTrip(req)
			<-req.Context().Done()
			return resp, err
		})
		_, err := retry.AttemptTimeout(time.Second)(late).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.Equal(t, &retry.TimeoutError{Limit: time.Second}, err)
		require.Positive(t, s.Bodies()[0].Closes())
	})
}

func TestAttemptTimeoutOffIsNothing(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	require.Same(t, s, retry.AttemptTimeout(0)(s))
	require.Same(t, http.DefaultTransport, retry.AttemptTimeout(-1)(nil))
}
