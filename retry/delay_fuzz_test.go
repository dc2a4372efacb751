package retry_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// Whatever a schedule and a server say, a wait is never negative and never
// longer than what the Config allows: MaxDelay, or MaxRetryAfter.
func FuzzDelay(f *testing.F) {
	for _, value := range []string{"", "0", "7", "1.5", "-5", "61", "9223372036854775807", "946684830", "Sat, 01 Jan 2000 00:00:09 GMT", "7, 9"} {
		f.Add(int64(time.Second), int64(0), int64(0), value, false)
		f.Add(int64(-1), int64(time.Millisecond), int64(time.Second), value, true)
	}
	f.Add(int64(1<<63-1), int64(1<<63-1), int64(1<<63-1), "9223372036854775807", true)
	f.Fuzz(func(t *testing.T, scheduled, maxDelay, maxRetryAfter int64, retryAfter string, clamp bool) {
		c := retry.Config{
			Backoff:  func() backoff.BackOff { return backoff.NewConstantBackOff(time.Duration(scheduled)) },
			MaxDelay: time.Duration(max(maxDelay, 0)), MaxRetryAfter: time.Duration(maxRetryAfter),
			ClampRetryAfter: clamp,
		}
		longest := c.MaxDelay
		if longest == 0 {
			longest = retry.DefaultMaxDelay
		}
		asked := c.MaxRetryAfter
		if asked == 0 {
			asked = retry.DefaultMaxRetryAfter
		}
		if asked > 0 {
			longest = max(longest, asked)
		}
		if longest < 0 || longest > 100*365*24*time.Hour {
			t.Skip("a wait that long ends after the clock of a bubble")
		}
		c.Hooks.Retry = func(e retry.Event) {
			require.GreaterOrEqual(t, e.Delay, time.Duration(0))
			require.LessOrEqual(t, e.Delay, longest)
		}
		synctest.Test(t, func(t *testing.T) {
			s := rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", retryAfter}})
			_, err := roundTrip(t, c, s, newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			for _, wait := range waits(s.Calls()) {
				require.GreaterOrEqual(t, wait, time.Duration(0))
				require.LessOrEqual(t, wait, longest)
			}
		})
	})
}
