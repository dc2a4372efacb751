package breaker_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// slowConfig opens when two of at least four calls took a second.
var slowConfig = breaker.Config{SlowCall: time.Second, SlowRatio: 0.5, MinCalls: 4, ConsecutiveFailures: -1, FailureRatio: -1, Jitter: -1}

func TestSlowRatio(t *testing.T) {
	t.Parallel()
	const late, quick = time.Second, time.Second - 1
	for name, tt := range map[string]struct {
		ratio float64
		steps []rttest.Step
		opens bool
		slow  int
	}{
		"quick enough":   {0, []rttest.Step{{Wait: quick}, {Wait: quick}, {Wait: quick}, {Wait: quick}, {Wait: quick}}, false, 0},
		"too few calls":  {0, []rttest.Step{{Wait: late}, {Wait: late}, {Wait: late}}, false, 3},
		"all slow":       {0, []rttest.Step{{Wait: late}, {Wait: late}, {Wait: late}, {Wait: late}}, true, 0},
		"half slow":      {0.5, []rttest.Step{{}, {Wait: late}, {}, {Wait: late}}, true, 0},
		"default is 0.8": {0, []rttest.Step{{}, {Wait: late}, {Wait: late}, {Wait: late}}, false, 3},
		"less than half": {0.5, []rttest.Step{{}, {}, {}, {Wait: late}, {Wait: late}}, false, 2},
		"only counted":   {-1, []rttest.Step{{Wait: late}, {Wait: late}, {Wait: late}, {Wait: late}}, false, 4},
		"slow failures":  {0.5, []rttest.Step{{}, {Wait: late, Status: 503}, {}, {Wait: late, Err: errBroken}}, true, 0},
		"slow bodies":    {0.5, []rttest.Step{{Body: "answer", Drip: late / 2}, {Body: "answer", Drip: late / 2}, {}, {Body: "answer", Drip: late / 2}}, true, 0},
		"cut slow body":  {0.5, []rttest.Step{{}, {Body: "answer", Drip: late / 2, Cut: true}, {}, {Wait: late}}, true, 0},
		"quick bodies":   {0.5, []rttest.Step{{Body: "answer", Drip: late / 4}, {Body: "answer"}, {}, {Body: "answer"}}, false, 0},
		"not counted":    {0.5, []rttest.Step{{Wait: late, Err: notSent{}}, {Wait: late, Err: notSent{}}, {}, {}, {}, {}}, false, 0},
		"upgraded":       {0.5, []rttest.Step{{Status: 101, Body: "talk", Drip: time.Hour}, {Status: 101, Body: "talk", Drip: time.Hour}, {}, {}}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := slowConfig
				c.SlowRatio, c.Trip = tt.ratio, func(breaker.Counts) bool { return false }
				c.Window = 24 * time.Hour
				b := newBreaker(t, c)
				rt := b.Wrap(rttest.NewScript(tt.steps...))
				for range tt.steps {
					_ = call(rt, newRequest(t, host))
				}
				require.Equal(t, tt.opens, b.Ready(newRequest(t, host)) != nil)
				require.Equal(t, tt.slow, b.Snapshot()[0].Slow)
			})
		})
	}
}

// Slow calls leave the window as others do.
func TestSlowCallsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, slowConfig)
		slow := b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Second}))
		for range 3 {
			require.NoError(t, call(slow, newRequest(t, host)))
		}
		require.Equal(t, breaker.Counts{Successes: 3, Slow: 3}, b.Snapshot()[0].Counts)
		time.Sleep(breaker.DefaultWindow)
		require.NoError(t, call(slow, newRequest(t, host)))
		require.Equal(t, breaker.Counts{Successes: 1, Slow: 1}, b.Snapshot()[0].Counts)
	})
}

// A caller who takes his time, or never closes the body, is not told apart
// from a slow server, but counts only when he is done.
func TestBodyLeftOpenCountsWhenClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, slowConfig)
		rt := b.Wrap(rttest.NewScript(rttest.Step{Body: "answer"}))
		var bodies []io.Closer
		for range 4 {
			resp, err := rt.RoundTrip(newRequest(t, host))
			require.NoError(t, err)
			bodies = append(bodies, resp.Body)
		}
		time.Sleep(time.Minute)
		require.Zero(t, b.Snapshot()[0].Counts)
		for _, body := range bodies {
			require.NoError(t, b.Ready(newRequest(t, host)))
			require.NoError(t, body.Close())
		}
		require.Error(t, b.Ready(newRequest(t, host)))
	})
}

// A failure is known before its body, which nobody has to read.
func TestFailureCountsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, slowConfig)
		resp, err := b.Wrap(rttest.NewScript(rttest.Step{Status: 503, Body: "sorry", Drip: time.Second})).RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		want := breaker.Counts{Failures: 1, Consecutive: 1}
		require.Equal(t, want, b.Snapshot()[0].Counts)
		require.NoError(t, readAll(resp))
		require.Equal(t, want, b.Snapshot()[0].Counts, "once, and not as slow")
	})
}

// An upstream whose answers are right and late is not back.
func TestSlowProbeFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ratio float64
		step  rttest.Step
		state breaker.State
	}{
		"quick":      {0.5, rttest.Step{Body: "answer"}, breaker.Closed},
		"late":       {0.5, rttest.Step{Wait: time.Second}, breaker.Open},
		"slow body":  {0.5, rttest.Step{Body: "answer", Drip: time.Second / 2}, breaker.Open},
		"rule off":   {-1, rttest.Step{Wait: time.Second}, breaker.Closed},
		"websockets": {0.5, rttest.Step{Status: http.StatusSwitchingProtocols, Body: "talk", Drip: time.Second}, breaker.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.SlowCall, c.SlowRatio = time.Second, tt.ratio
				b := newBreaker(t, c)
				trip(t, b, host)
				time.Sleep(time.Second + 1)
				require.NoError(t, call(b.Wrap(rttest.NewScript(tt.step)), newRequest(t, host)))
				require.Equal(t, tt.state, b.Snapshot()[0].State)
			})
		})
	}
}

// A hook that takes its time does so before the probe is sent, or an upstream
// that answers at once would never get its calls back.
func TestSlowHookIsNoSlowCall(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(t *testing.T, b *breaker.Breaker) error{
		"RoundTrip": func(t *testing.T, b *breaker.Breaker) error {
			t.Helper()
			return call(b.Wrap(rttest.NewScript()), newRequest(t, host))
		},
		"Do": func(t *testing.T, b *breaker.Breaker) error {
			t.Helper()
			return b.Do(t.Context(), origin, func(context.Context) error { return nil })
		},
		"body left open": func(t *testing.T, b *breaker.Breaker) error {
			t.Helper()
			_, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "unread"})).RoundTrip(newRequest(t, host))
			time.Sleep(time.Minute) // its lease is over
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.SlowCall, c.ProbeLease = time.Second, time.Second-1
				c.Hooks.StateChange = func(breaker.Change) { time.Sleep(2 * time.Second) }
				b := newBreaker(t, c)
				require.ErrorIs(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)), errBroken)
				require.NoError(t, send(t, b))
				synctest.Wait()
				require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
			})
		})
	}
}
