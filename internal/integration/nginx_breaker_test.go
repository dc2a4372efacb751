package integration_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
)

// TestNginxKilled kills an nginx under load and starts it again. While it is
// down only probes are sent, and the first probe after it is back closes the
// circuit.
func TestNginxKilled(t *testing.T) {
	t.Parallel()
	const (
		workers  = 8
		failures = 5
		outage   = 4 // probes that fail before nginx is started again
		enough   = 100
	)
	page := payload(1 << 10)
	upstream := startNginx(t, limit{PerSecond: 100_000, Burst: 100_000, Status: http.StatusTooManyRequests}, newLedger(page))

	changes := make(chan breaker.Change, 100)
	circuit, err := breaker.New(breaker.Config{
		ConsecutiveFailures: failures,
		OpenTimeout:         200 * time.Millisecond,
		MaxOpenTimeout:      200 * time.Millisecond,
		Hooks:               breaker.Hooks{StateChange: func(c breaker.Change) { changes <- c }},
	})
	require.NoError(t, err)
	sent := &attempts{}
	client := newClient(t, circuit.Wrap, sent.Wrap)

	// The load: each worker calls, and rests a moment.
	var good atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			rest := time.NewTicker(time.Millisecond)
			defer rest.Stop()
			for {
				select {
				case <-stop:
					return
				case <-rest.C:
				}
				if got := call(client, newGet(t, upstream.URL)); got.err == nil && got.status == http.StatusOK {
					good.Add(1)
				}
			}
		})
	}
	defer wg.Wait()
	defer sync.OnceFunc(func() { close(stop) })()
	served := func(n int64) func() bool { return func() bool { return good.Load() >= n } }
	require.Eventually(t, served(enough), startTimeout, time.Millisecond)

	upstream.kill()
	require.Equal(t, breaker.Open, next(t, changes).To)
	before := sent.count.Load()
	for range outage {
		require.Equal(t, breaker.HalfOpen, next(t, changes).To)
		require.Equal(t, breaker.Open, next(t, changes).To)
	}
	// Who had been let through before the circuit opened may be counted late.
	require.LessOrEqual(t, sent.count.Load()-before, int64(outage+workers))

	require.NoError(t, upstream.start(t))
	back, last := good.Load(), breaker.Open
	for len(changes) > 0 {
		last = next(t, changes).To
	}
	reopened := 0
	for last != breaker.Closed {
		if last = next(t, changes).To; last == breaker.Open {
			reopened++
		}
	}
	require.LessOrEqual(t, reopened, 1, "only a probe that was on its way before nginx was up can have failed")
	require.Eventually(t, served(back+enough), startTimeout, time.Millisecond)
	require.Empty(t, changes, "traffic is back, and stays")
}

// next returns the next change of state.
func next(t *testing.T, changes <-chan breaker.Change) breaker.Change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(startTimeout):
		require.FailNow(t, "no change of state")
		return breaker.Change{}
	}
}
