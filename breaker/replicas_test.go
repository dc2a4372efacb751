package breaker_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// The outage of the table in the package documentation: ten minutes with 64
// calls per second from all replicas together, none of which is answered well.
const (
	outageLasts = 10 * time.Minute
	outageCalls = 64 // per second
)

// Each replica has to find out for itself, so the calls that reach a dead
// upstream grow with the number of replicas, and stay few.
func TestReplicas(t *testing.T) {
	t.Parallel()
	alone := 0
	for _, replicas := range []int{1, 2, 4, 8, 16, 64} {
		reached, first := outage(t, replicas)
		t.Logf("%2d replicas: %4d calls of %d reached the upstream, %3d of them in the first 30 s",
			replicas, reached, int(outageLasts.Seconds())*outageCalls, first)
		if replicas == 1 {
			alone = reached
			require.InDelta(t, 22, reached, 2)
		}
		require.InDelta(t, replicas*alone, reached, float64(2*replicas), "as many for each")
		require.InDelta(t, replicas*12, first, float64(replicas), "half of them to find out")
		require.Less(t, float64(reached), 0.04*outageLasts.Seconds()*outageCalls)
	}
}

// outage returns how many calls reached the upstream, and how many of these in
// the first 30 seconds.
func outage(t *testing.T, replicas int) (reached, first int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		upstream := rttest.Func(func(*http.Request) (*http.Response, error) {
			if reached++; time.Since(begin) < 30*time.Second {
				first++
			}
			return nil, errBroken
		})
		transports := make([]http.RoundTripper, replicas)
		for i := range transports {
			transports[i] = newBreaker(t, breaker.Config{}).Wrap(upstream)
		}
		req := newRequest(t, host)
		for i := 0; time.Since(begin) < outageLasts; i++ {
			_, _ = transports[i%replicas].RoundTrip(req)
			time.Sleep(time.Second / outageCalls)
		}
	})
	return reached, first
}
