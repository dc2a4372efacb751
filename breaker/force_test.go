package breaker_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

const origin = "https://" + host

func TestForceOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		good := rttest.NewScript()
		forced := time.Now()
		require.NoError(t, b.ForceOpen(origin))
		require.Equal(t, []breaker.Circuit{{Key: origin, State: breaker.Open, Forced: true, Since: forced}}, b.Snapshot())
		time.Sleep(24 * time.Hour)
		err := call(b.Wrap(good), newRequest(t, host))
		var e *breaker.OpenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "breaker: circuit of https://api.example.com is forced open", e.Error())
		require.Equal(t, "forced open", e.Reason())
		require.True(t, e.Forced)
		require.Equal(t, forced, e.Since)
		require.Zero(t, e.RetryAfter())
		require.False(t, e.Retryable())
		require.True(t, e.NotSent())
		require.Equal(t, e, b.Ready(newRequest(t, host)))
		require.NoError(t, b.Ready(newRequest(t, "other.example.com")))

		require.True(t, b.Release(origin))
		require.False(t, b.Release(origin), "only once")
		require.NoError(t, b.Ready(newRequest(t, host)))
		require.NoError(t, call(b.Wrap(good), newRequest(t, host)))
		require.Len(t, good.Calls(), 1)
		trip(t, b, host)
		require.Equal(t, time.Second, openFor(t, b), "the rules are back, and nothing is left of before")
	})
}

func TestForceClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		c.Trip = func(breaker.Counts) bool { return true }
		b := newBreaker(t, c)
		trip(t, b, host)
		require.NoError(t, b.ForceClosed(origin))
		bad := rttest.NewScript(rttest.Step{Err: errBroken})
		for range 100 {
			require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), errBroken)
		}
		got := b.Snapshot()[0]
		require.True(t, got.Forced)
		require.Equal(t, breaker.Closed, got.State)
		require.Equal(t, breaker.Counts{Failures: 100, Consecutive: 100}, got.Counts, "counted, but without effect")
		require.True(t, b.Release(origin))
		require.Zero(t, b.Snapshot()[0].Counts)
		require.NoError(t, b.Ready(newRequest(t, host)))
		require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), errBroken)
		require.Error(t, b.Ready(newRequest(t, host)))
	})
}

// What was under way when an operator stepped in does not count.
func TestForceEndsProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		go func() { _ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour})), newRequest(t, host)) }()
		synctest.Wait()
		require.Equal(t, breaker.HalfOpen, b.Snapshot()[0].State)
		require.NoError(t, b.ForceClosed(origin))
		time.Sleep(2 * time.Hour)
		require.Equal(t, breaker.Closed, b.Snapshot()[0].State, "neither its lease nor its end")
		require.Zero(t, b.Snapshot()[0].Counts)
	})
}

func TestForcedChangesAreTold(t *testing.T) {
	t.Parallel()
	var told []string
	var buf bytes.Buffer
	c := one
	log := breaker.LogHooks(rttest.NewLogger(&buf))
	var b *breaker.Breaker
	c.Hooks = breaker.Hooks{Refused: log.Refused, StateChange: func(change breaker.Change) {
		log.StateChange(change)
		require.Zero(t, change.Until)
		require.Len(t, b.Snapshot(), 1, "no lock is held")
		told = append(told, fmt.Sprint(change.From, " ", change.To, " ", change.Forced, " ", change.Reason))
	}}
	b = newBreaker(t, c)
	for range 2 {
		require.NoError(t, b.ForceOpen(origin))
	}
	require.Error(t, call(b.Wrap(nil), newRequest(t, host)))
	require.NoError(t, b.ForceClosed(origin))
	require.True(t, b.Release(origin))
	require.False(t, b.Release("https://unknown.example.com"))
	require.Equal(t, []string{
		"closed open true forced open", "open closed true forced closed", "closed closed false released",
	}, told)
	require.Equal(t, `level=WARN msg="circuit changed" key=https://api.example.com from=closed to=open reason="forced open"
level=DEBUG msg="refused by the circuit" key=https://api.example.com reason="forced open" retry_after=0s
level=INFO msg="circuit changed" key=https://api.example.com from=open to=closed reason="forced closed"
level=INFO msg="circuit changed" key=https://api.example.com from=closed to=closed reason=released
`, buf.String())
}

// An origin may be spelt as in a request; Do and requests share its circuit.
func TestForcedKeys(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	require.NoError(t, b.ForceOpen("https://API.example.com:443"))
	require.Error(t, b.Ready(newRequest(t, host)))
	require.ErrorIs(t, b.Do(t.Context(), origin, func(context.Context) error { return nil }), breaker.ErrOpen)
	require.True(t, b.Release(origin))
	require.NoError(t, b.ForceOpen("HTTPS://api.example.com"))
	require.Error(t, b.Ready(newRequest(t, host)))
	require.True(t, b.Release(origin))
	require.NoError(t, b.ForceOpen("amqp://broker/Queue"))
	require.NoError(t, b.Do(t.Context(), "amqp://broker/queue", func(context.Context) error { return nil }), "no origin")
	require.NoError(t, b.ForceOpen("queue"))
	require.ErrorIs(t, b.Do(t.Context(), "queue", func(context.Context) error { return nil }), breaker.ErrOpen)

	c := one
	c.Key = keyFromHeader
	b = newBreaker(t, c)
	require.NoError(t, b.ForceOpen("https://A.example.com"), "a key like any other")
	req := newRequest(t, host)
	req.Header.Set("Key", "https://A.example.com")
	require.ErrorIs(t, b.Ready(req), breaker.ErrOpen)
	req.Header.Set("Key", "https://a.example.com")
	require.NoError(t, b.Ready(req))
}

// A forced circuit outlives any number of others, so there is a bound.
func TestForcedCircuitsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	c := one
	c.MaxKeys = 10
	b := newBreaker(t, c)
	for i := range breaker.MaxForced {
		require.NoError(t, b.ForceOpen(fmt.Sprintf("https://%d.example.com", i)))
	}
	require.EqualError(t, b.ForceOpen(origin), "breaker: circuit of https://api.example.com not forced: 1000 others are already")
	require.NoError(t, b.ForceClosed("https://7.example.com"), "it is one of them")
	bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
	for i := range 5000 {
		require.ErrorIs(t, call(bad, newRequest(t, fmt.Sprintf("host%d.example.com", i))), errBroken)
	}
	for i := range breaker.MaxForced {
		require.Equal(t, i != 7, b.Ready(newRequest(t, fmt.Sprintf("%d.example.com", i))) != nil, i)
		require.True(t, b.Release(fmt.Sprintf("https://%d.example.com", i)))
	}
	require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, "new.example.com")))
	require.LessOrEqual(t, len(b.Snapshot()), 10+64, "and then they make room")
	require.NoError(t, b.ForceOpen(origin))
}

// A circuit that an operator holds open is not worth a wait.
func TestRetryDoesNotWaitForAnOperator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		require.NoError(t, b.ForceOpen(origin))
		policy, err := retry.New(retry.Config{})
		require.NoError(t, err)
		begin := time.Now()
		require.ErrorIs(t, call(policy.Wrap(b.Wrap(nil)), newRequest(t, host)), breaker.ErrOpen)
		require.Zero(t, time.Since(begin))
	})
}
