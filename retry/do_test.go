package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestDo(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("outer: %w", backoff.Permanent(errBroken))
	for name, tt := range map[string]struct {
		errs   []error // of each call; the last one for ever
		config retry.Config
		calls  int
		took   time.Duration
		want   error // nil: success
		reason retry.Reason
	}{
		"succeeds at once":    {errs: []error{nil}, calls: 1},
		"succeeds at last":    {errs: []error{errBroken, errBroken, nil}, calls: 3, took: 2 * time.Second},
		"fails":               {errs: []error{errBroken}, calls: 3, took: 2 * time.Second, want: errBroken, reason: retry.AttemptsExhausted},
		"permanent":           {errs: []error{wrapped}, calls: 1, want: wrapped},
		"not retryable":       {errs: []error{behaving{}}, calls: 1, want: behaving{}},
		"asks for a wait":     {errs: []error{behaving{retryable: true, after: 7 * time.Second}, nil}, calls: 2, took: 8 * time.Second},
		"asks for too much":   {errs: []error{behaving{retryable: true, after: time.Hour}}, calls: 1, want: behaving{retryable: true, after: time.Hour}, reason: retry.RetryAfterTooLong},
		"off":                 {errs: []error{errBroken}, config: retry.Config{MaxAttempts: -1}, calls: 1, want: errBroken},
		"elapsed":             {errs: []error{errBroken}, config: retry.Config{MaxElapsed: 1500 * time.Millisecond}, calls: 2, took: time.Second, want: errBroken, reason: retry.ElapsedTimeTooLong},
		"permanent in second": {errs: []error{errBroken, wrapped}, calls: 2, took: time.Second, want: errBroken, reason: retry.NotRetryable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.config.Backoff = retry.Constant(time.Second)
				var gaveUp []retry.Reason
				tt.config.Hooks.GiveUp = func(e retry.Event) { gaveUp = append(gaveUp, e.Reason) }
				begin, calls := time.Now(), 0
				value, err := retry.Do(t.Context(), newPolicy(t, tt.config), func(context.Context) (int, error) {
					calls++
					return calls, tt.errs[min(calls, len(tt.errs))-1]
				})
				require.Equal(t, tt.calls, calls)
				require.Equal(t, calls, value, "what the last call returned")
				require.Equal(t, tt.took, time.Since(begin))
				if tt.want == nil {
					require.NoError(t, err)
					require.Empty(t, gaveUp)
					return
				}
				require.ErrorIs(t, err, tt.want)
				require.Len(t, gaveUp, 1)
				if tt.reason == 0 {
					require.Equal(t, tt.want, err, "as it is, with its wrapping")
					return
				}
				var e *retry.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, tt.reason, e.Reason)
				require.Len(t, e.History, calls)
			})
		})
	}
}

func TestDoCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		var retried int
		_, err := retry.Do(ctx, newPolicy(t, retry.Config{
			Backoff: retry.Constant(5 * time.Second),
			Hooks:   retry.Hooks{Retry: func(retry.Event) { retried++ }},
		}), func(context.Context) (struct{}, error) {
			return struct{}{}, errBroken
		})
		require.ErrorIs(t, err, gone)
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, 1, retried)
	})
}

// Work whose caller has gone before it began is not begun.
func TestDoAfterTheEnd(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	b := newBudget(t, retry.BudgetConfig{})
	value, err := retry.Do(ctx, newPolicy(t, retry.Config{
		Budget: b,
		Hooks:  retry.Hooks{GiveUp: func(retry.Event) { t.Error("there is nothing to give up") }},
	}), func(context.Context) (int, error) {
		t.Error("called")
		return 1, nil
	})
	require.Equal(t, gone, err)
	require.Zero(t, value)
	require.Empty(t, b.Snapshot())
}

// A retry layer inside of the work adds up with Do, but does not multiply.
func TestDoNests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 503, Body: "sorry"})
		rt := newPolicy(t, retry.Config{}).Wrap(s)
		_, err := retry.Do(t.Context(), newPolicy(t, retry.Config{}), func(ctx context.Context) (int, error) {
			resp, err := rt.RoundTrip(newRequest(t, "GET", nil).WithContext(ctx))
			if err != nil {
				return 0, err
			}
			return resp.StatusCode, errors.Join(errBroken, resp.Body.Close())
		})
		require.Error(t, err)
		require.Len(t, s.Calls(), 5)
	})
}
