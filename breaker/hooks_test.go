package breaker_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestHooksMayUseTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var changes []breaker.Change
		refused := 0
		good := rttest.NewScript()
		c := one
		c.Hooks = breaker.Hooks{
			StateChange: func(change breaker.Change) {
				changes = append(changes, change)
				_ = b.Ready(newRequest(t, host))
				_ = call(b.Wrap(good), newRequest(t, host))
			},
			Refused: func(e *breaker.OpenError) {
				refused++
				require.ErrorIs(t, b.Ready(newRequest(t, host)), breaker.ErrOpen)
			},
		}
		b = newBreaker(t, c)
		opened := time.Now()
		require.ErrorIs(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)), errBroken)
		require.Equal(t, 1, refused, "the hook's own call")
		time.Sleep(time.Second + 1)
		require.NoError(t, call(b.Wrap(good), newRequest(t, host)))
		key := "https://api.example.com"
		require.Len(t, changes, 3)
		require.Equal(t, breaker.Change{Key: key, From: breaker.Closed, To: breaker.Open, Reason: "failures in a row: 1", Until: changes[0].Until}, changes[0])
		require.WithinDuration(t, opened.Add(time.Second), changes[0].Until, time.Microsecond)
		require.Equal(t, breaker.Change{Key: key, From: breaker.Open, To: breaker.HalfOpen, Reason: "time for a probe"}, changes[1])
		require.Equal(t, breaker.Change{Key: key, From: breaker.HalfOpen, To: breaker.Closed, Reason: "the probes succeeded"}, changes[2])
	})
}

func TestChangesArriveInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		state := breaker.Closed
		c := one
		c.OpenTimeout = time.Millisecond
		c.Hooks.StateChange = func(change breaker.Change) {
			mu.Lock()
			defer mu.Unlock()
			if change.From != state {
				t.Errorf("from %v to %v, but it was %v", change.From, change.To, state)
			}
			state = change.To
		}
		b := newBreaker(t, c)
		s := rttest.NewScript(rttest.Step{Wait: 100 * time.Microsecond, Err: errBroken}, rttest.Step{}, rttest.Step{Status: 503}, rttest.Step{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 200 {
					_ = call(b.Wrap(s), newRequest(t, host))
					time.Sleep(300 * time.Microsecond)
				}
			})
		}
		wg.Wait()
	})
}

// Changes that come while a hook is at work wait for it, up to a bound. What is
// told still has no gap.
func TestChangesWaitForTheHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var told []breaker.Change
		c := one
		c.Hooks.StateChange = func(change breaker.Change) {
			told = append(told, change)
			<-goOn
		}
		b := newBreaker(t, c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			require.NoError(t, b.ForceOpen(origin))
		}()
		synctest.Wait()
		for range 500 {
			require.NoError(t, b.ForceClosed(origin))
			require.NoError(t, b.ForceOpen(origin))
		}
		require.True(t, b.Release(origin))
		close(goOn)
		<-done
		require.Len(t, told, 1+64)
		state := breaker.Closed
		for _, change := range told {
			require.Equal(t, state, change.From)
			state = change.To
		}
		require.Equal(t, breaker.Closed, state)
		require.Equal(t, "released", told[64].Reason)
	})
}

// When changes come faster than a hook takes them, there is an end to what one
// call has to tell of them.
func TestSlowHookDoesNotKeepItsCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one // open for a second
		state := breaker.Closed
		c.Hooks.StateChange = func(change breaker.Change) {
			require.Equal(t, state, change.From)
			state = change.To
			time.Sleep(1200 * time.Millisecond)
		}
		rt := newBreaker(t, c).Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
		stop := time.Now().Add(5 * time.Minute)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for time.Now().Before(stop) {
					begin := time.Now()
					_ = call(rt, newRequest(t, host))
					require.LessOrEqual(t, time.Since(begin), 2*65*1200*time.Millisecond, "once before it is sent, and once after")
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
	})
}

// A hook that panics harms the call that it was called from. It is told of the
// next change as of any other, and a probe that was never sent is none.
func TestHookPanics(t *testing.T) {
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var told []breaker.State
				c := one
				c.Hooks.StateChange = func(change breaker.Change) {
					told = append(told, change.To)
					if change.To == breaker.HalfOpen {
						panic(errBroken)
					}
				}
				b := newBreaker(t, c)
				trip(t, b, host)
				time.Sleep(time.Second + 1)
				require.PanicsWithValue(t, errBroken, func() { _ = send(t, b) })
				require.Equal(t, breaker.HalfOpen, b.Snapshot()[0].State, "neither success nor failure")
				require.NoError(t, send(t, b), "its place is free")
				require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}, told)
			})
		})
	}
}
