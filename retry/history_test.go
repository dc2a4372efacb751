package retry_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestAttemptsOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for failures := range 3 {
			steps := append(make([]rttest.Step, 0, 3), rttest.Step{Status: 503}, rttest.Step{Err: errBroken})[:failures]
			resp, err := roundTrip(t, retry.Config{}, rttest.NewScript(append(steps, rttest.Step{})...), newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.Equal(t, failures+1, retry.AttemptsOf(resp))
		}
	})
	require.Equal(t, 1, retry.AttemptsOf(nil))
	require.Equal(t, 1, retry.AttemptsOf(&http.Response{}))
}

func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := rttest.NewScript(rttest.Step{Status: 503, Wait: time.Second}, rttest.Step{Err: errBroken})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(2 * time.Second)}, s, newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, []retry.Try{
			{Status: 503, At: begin.Add(time.Second), Verdict: retry.RetryIfSafe, Delay: 2 * time.Second},
			{Err: errBroken, At: begin.Add(3 * time.Second), Verdict: retry.RetryIfSafe, Delay: 2 * time.Second},
			{Err: errBroken, At: begin.Add(5 * time.Second), Verdict: retry.RetryIfSafe},
		}, e.History)

		permanent := rttest.Step{Err: behaving{}}
		_, err = roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rttest.NewScript(rttest.Step{Err: errBroken}, permanent), newRequest(t, http.MethodGet, nil))
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.NotRetryable, e.Reason)
		require.Equal(t, retry.Stop, e.History[1].Verdict)
	})
}

// However many attempts there are, the history has them all.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := roundTrip(t, retry.Config{MaxAttempts: 50}, rttest.NewScript(rttest.Step{Err: errBroken}), newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Len(t, e.History, 50)
		for i := 1; i < len(e.History); i++ {
			require.Equal(t, e.History[i-1].At.Add(e.History[i-1].Delay), e.History[i].At)
		}
	})
}

// A loop that goes on for days does not keep them all.
func TestEndlessHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		const attempts = 10_000
		policy := newPolicy(t, retry.Config{MaxAttempts: attempts, Backoff: retry.Constant(time.Second)})
		_, err := retry.Do(t.Context(), policy, func(context.Context) (int, error) { return 0, errBroken })
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, attempts, e.Attempts)
		require.LessOrEqual(t, len(e.History), 1003)
		require.GreaterOrEqual(t, len(e.History), 503)
		for i, try := range e.History {
			n := i // the first three
			if i >= 3 {
				n = attempts - len(e.History) + i // and the last ones
			}
			require.Equal(t, begin.Add(time.Duration(n)*time.Second), try.At)
		}
	})
}
