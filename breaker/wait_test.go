package breaker_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// Retries above an open circuit wait for its probe if their deadline allows,
// and otherwise give up at once.
func TestRetryAndProbe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		deadline time.Duration
		waits    time.Duration
		err      error
	}{
		"fits":             {time.Minute, time.Second + 1, nil},
		"just fits":        {1010 * time.Millisecond, time.Second + 1, nil},
		"just too short":   {time.Second, 0, breaker.ErrOpen},
		"much too short":   {time.Millisecond, 0, breaker.ErrOpen},
		"no time left now": {0, 0, breaker.ErrOpen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, one)
				trip(t, b, host)
				policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(1, 1)})
				require.NoError(t, err)
				s := rttest.NewScript()
				client := &http.Client{Transport: policy.Wrap(b.Wrap(s))}
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
				defer cancel()
				begin := time.Now()
				resp, err := client.Do(newRequest(t, host).WithContext(ctx))
				require.WithinDuration(t, begin.Add(tt.waits), time.Now(), time.Microsecond)
				require.Len(t, s.Calls(), len(s.Bodies()))
				if tt.err == nil {
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
					return
				}
				var e *url.Error
				require.ErrorAs(t, err, &e, "through http.Client")
				require.ErrorIs(t, err, tt.err)
				require.Empty(t, s.Calls())
			})
		})
	}
}

// While the probe is under way nobody knows when to come back. A retry tries
// again after a pause of its own, and is not refused for good.
func TestRetryWhileProbeIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		go func() {
			_ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: 100 * time.Millisecond})), newRequest(t, host))
		}()
		synctest.Wait()
		policy, err := retry.New(retry.Config{MaxAttempts: 20})
		require.NoError(t, err)
		require.NoError(t, call(policy.Wrap(b.Wrap(rttest.NewScript())), newRequest(t, host)))
	})
}

func TestOpenErrorSaysSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		time.Sleep(time.Hour)
		opened := time.Now()
		trip(t, b, host)
		time.Sleep(time.Second / 2)
		var e *breaker.OpenError
		require.ErrorAs(t, b.Ready(newRequest(t, host)), &e)
		require.Equal(t, opened, e.Since)
		require.Equal(t, "open", e.Reason())
		time.Sleep(time.Second)
		probed := time.Now()
		go func() {
			_ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour})), newRequest(t, host))
		}()
		synctest.Wait()
		require.True(t, errors.As(b.Ready(newRequest(t, host)), &e))
		require.Equal(t, probed, e.Since)
		require.Equal(t, "probes under way", e.Reason())
	})
}
