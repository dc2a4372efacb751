package breaker_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// tripConfig leaves everything to trip.
func tripConfig(trip func(breaker.Counts) bool) breaker.Config {
	return breaker.Config{ConsecutiveFailures: -1, FailureRatio: -1, SlowCall: time.Second, SlowRatio: -1, Jitter: -1, Trip: trip}
}

// Trip is asked after each failure and each slow call, with counts that include
// the call, and after no other.
func TestTrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []breaker.Counts
		var reasons []string
		c := tripConfig(func(n breaker.Counts) bool {
			asked = append(asked, n)
			return n.Failures == 2 && n.Slow == 1
		})
		c.Hooks.StateChange = func(change breaker.Change) { reasons = append(reasons, change.Reason) }
		b := newBreaker(t, c)
		rt := b.Wrap(rttest.NewScript(
			rttest.Step{}, rttest.Step{Err: errBroken}, rttest.Step{Body: "good"}, rttest.Step{Wait: time.Second},
			rttest.Step{Err: notSent{}}, rttest.Step{Status: 503, Header: []string{"Retry-After", "30"}},
		))
		for range 6 {
			_ = call(rt, newRequest(t, host))
		}
		require.Equal(t, []breaker.Counts{
			{Successes: 1, Failures: 1, Consecutive: 1},
			{Successes: 3, Failures: 1, Slow: 1},
			{Successes: 3, Failures: 2, Slow: 1, Consecutive: 1},
		}, asked)
		require.Equal(t, []string{"Config.Trip"}, reasons)
		require.Equal(t, 30*time.Second, openFor(t, b), "the answer's wish is heard")
	})
}

// Trip may use the breaker, requests through it included.
func TestTripMayUseTheBreaker(t *testing.T) {
	t.Parallel()
	var b *breaker.Breaker
	asked := 0
	b = newBreaker(t, tripConfig(func(n breaker.Counts) bool {
		asked++
		require.Equal(t, n, b.Snapshot()[0].Counts)
		require.NoError(t, b.Ready(newRequest(t, host)))
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
		return true
	}))
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
	require.Equal(t, 1, asked)
	require.Equal(t, breaker.Open, b.Snapshot()[0].State)
}

// What Trip has decided is out of date when the circuit has changed meanwhile.
func TestTripComesTooLate(t *testing.T) {
	t.Parallel()
	var b *breaker.Breaker
	b = newBreaker(t, tripConfig(func(breaker.Counts) bool {
		require.NoError(t, b.ForceOpen("https://"+host))
		require.True(t, b.Release("https://"+host))
		return true
	}))
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
	require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
}

func TestTripPanics(t *testing.T) {
	t.Parallel()
	angry := atomic.Bool{}
	angry.Store(true)
	b := newBreaker(t, tripConfig(func(n breaker.Counts) bool {
		if angry.Load() {
			panic(errBroken)
		}
		return n.Failures >= 4
	}))
	for _, step := range []rttest.Step{{Status: 503, Body: "sorry"}, {Err: errBroken}, {Body: "half", Cut: true}} {
		s := rttest.NewScript(step)
		require.PanicsWithValue(t, errBroken, func() { _ = call(b.Wrap(s), newRequest(t, host)) })
		if step.Status != 0 {
			require.Equal(t, 1, s.Bodies()[0].Closes(), "nobody else will")
		}
	}
	require.Equal(t, breaker.Counts{Failures: 3, Consecutive: 3}, b.Snapshot()[0].Counts, "each counted once")
	angry.Store(false)
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
	require.Error(t, b.Ready(newRequest(t, host)))
}

// Many goroutines that all want to open the circuit open it once.
func TestTripOpensOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int32
		c := tripConfig(func(breaker.Counts) bool {
			time.Sleep(time.Millisecond) // so that all are at it together
			return true
		})
		c.Hooks.StateChange = func(breaker.Change) { opened.Add(1) }
		b := newBreaker(t, c)
		rt := b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Millisecond, Status: http.StatusBadGateway}))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { _ = call(rt, newRequest(t, host)) })
		}
		wg.Wait()
		require.EqualValues(t, 1, opened.Load())
		require.Equal(t, breaker.Open, b.Snapshot()[0].State)
	})
}
