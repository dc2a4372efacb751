package integration_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
)

// TestNginxKilled kills an nginx under load and starts it again. While it is
// down only probes are sent, one in each open period, and the first probe after
// it is back closes the circuit.
func TestNginxKilled(t *testing.T) {
	t.Parallel()
	const (
		workers  = 8
		failures = 5
		outage   = 4 // probes that fail before nginx is started again
		enough   = 100
		period   = 200 * time.Millisecond
	)
	page := payload(1 << 10)
	upstream := startNginx(t, limit{PerSecond: 100_000, Burst: 100_000, Status: http.StatusTooManyRequests}, newLedger(page))

	changes := make(chan breaker.Change, 100)
	circuit, err := breaker.New(breaker.Config{
		ConsecutiveFailures: failures,
		OpenTimeout:         period,
		MaxOpenTimeout:      period,
		Hooks:               breaker.Hooks{StateChange: func(c breaker.Change) { changes <- c }},
	})
	require.NoError(t, err)
	sent := &attempts{}
	client := newClient(t, circuit.Wrap, sent.Wrap)

	stop := make(chan struct{})
	met := &tally{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { met.load(stop, func() answer { return call(client, newGet(t, upstream.URL)) }) })
	}
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	defer end()
	served := func(n int64) func() bool { return func() bool { return met.good.Load() >= n } }
	require.Eventually(t, served(enough), startTimeout, time.Millisecond)

	upstream.kill()
	require.Equal(t, breaker.Open, next(t, changes).To)
	early := met.failed.Load()
	for range outage {
		require.Equal(t, breaker.HalfOpen, next(t, changes).To)
		require.Equal(t, breaker.Open, next(t, changes).To)
	}

	reopened, last := outage, breaker.Open
	follow := func() {
		if last = next(t, changes).To; last == breaker.Open {
			reopened++
		}
	}
	require.NoError(t, upstream.start(t))
	back := met.good.Load()
	for len(changes) > 0 {
		follow()
	}
	before := reopened
	for last != breaker.Closed {
		follow()
	}
	require.LessOrEqual(t, reopened-before, 1, "only a probe that was on its way before nginx was up can have failed")
	require.Eventually(t, served(back+enough), startTimeout, time.Millisecond)
	require.Empty(t, changes, "traffic is back, and stays")

	end()
	require.Positive(t, met.probes.Load())
	require.LessOrEqual(t, met.probes.Load(), int64(reopened), "each of them has opened the circuit again")
	// Who had been let through before the circuit opened may be counted late.
	require.LessOrEqual(t, met.failed.Load()-early, int64(reopened+workers))
	require.Equal(t, sent.count.Load(), met.good.Load()+met.failed.Load(), "what is refused is not sent")
	longest := period + time.Duration(breaker.DefaultJitter*float64(period))
	require.LessOrEqual(t, time.Duration(met.longest.Load()), longest)
}

// tally is what workers meet that call a server which is down for a while.
type tally struct {
	good    atomic.Int64
	failed  atomic.Int64 // calls that were sent in vain
	probes  atomic.Int64 // those of them whose worker had been refused: only probes were let through then
	longest atomic.Int64 // nanoseconds until the next probe, as refusals said
}

// load is a worker: it calls, rests a moment, and calls again until stop is
// closed.
func (t *tally) load(stop <-chan struct{}, call func() answer) {
	rest := time.NewTicker(time.Millisecond)
	defer rest.Stop()
	for refused := false; ; {
		select {
		case <-stop:
			return
		case <-rest.C:
		}
		got := call()
		var open *breaker.OpenError
		switch {
		case got.err == nil && got.status == http.StatusOK:
			t.good.Add(1)
		case errors.As(got.err, &open):
			refused = true
			wait := int64(open.RetryAfter())
			for most := t.longest.Load(); wait > most && !t.longest.CompareAndSwap(most, wait); {
				most = t.longest.Load()
			}
		default:
			t.failed.Add(1)
			if refused {
				t.probes.Add(1)
			}
		}
	}
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
