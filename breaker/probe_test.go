package breaker_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestFailedProbeOpensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		trip(t, b, host)
		for range 3 {
			time.Sleep(time.Second + 1)
			s := rttest.NewScript(rttest.Step{Status: 503})
			require.NoError(t, call(b.Wrap(s), newRequest(t, host)))
			require.ErrorIs(t, call(b.Wrap(s), newRequest(t, host)), breaker.ErrOpen)
			require.Len(t, s.Calls(), 1)
		}
	})
}

func TestProbesAreBounded(t *testing.T) {
	t.Parallel()
	for probes := range 4 {
		synctest.Test(t, func(t *testing.T) {
			c := one
			c.Probes = probes
			want := max(probes, breaker.DefaultProbes)
			b := newBreaker(t, c)
			trip(t, b, host)
			time.Sleep(time.Second + 1)
			s := rttest.NewScript(rttest.Step{Wait: 100 * time.Millisecond})
			var refused atomic.Int64
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					err := call(b.Wrap(s), newRequest(t, host))
					var e *breaker.OpenError
					if errors.As(err, &e) && e.State == breaker.HalfOpen && e.RetryAfter() == 0 {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
			var e *breaker.OpenError
			require.ErrorAs(t, b.Ready(newRequest(t, host)), &e)
			require.Equal(t, breaker.HalfOpen, e.State)
			require.EqualError(t, e, "breaker: circuit of https://api.example.com is half-open and its probes are under way")
			wg.Wait()
			require.Len(t, s.Calls(), want)
			require.EqualValues(t, 1000-want, refused.Load())
			require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), "closed")
		})
	}
}

// A probe that is never heard of again gives its place back.
func TestProbeLease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		probe func(t *testing.T, b *breaker.Breaker)
		state breaker.State // after the lease
	}{
		"body never closed": {func(t *testing.T, b *breaker.Breaker) {
			resp, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "unread"})).RoundTrip(newRequest(t, host))
			require.NoError(t, err)
			require.NotNil(t, resp)
		}, breaker.Closed},
		"hangs": {func(t *testing.T, b *breaker.Breaker) {
			go func() { _ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour})), newRequest(t, host)) }()
		}, breaker.HalfOpen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.ProbeLease = 10 * time.Second
				b := newBreaker(t, c)
				trip(t, b, host)
				time.Sleep(time.Second + 1)
				tt.probe(t, b)
				synctest.Wait()
				require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen)
				time.Sleep(10*time.Second - 1)
				require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				require.Equal(t, tt.state, b.Snapshot()[0].State)
				require.Equal(t, tt.state == breaker.Open, b.Ready(newRequest(t, host)) != nil)
				time.Sleep(time.Second + 1)
				require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
				require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
				time.Sleep(2 * time.Hour)
				require.NoError(t, b.Ready(newRequest(t, host)), "its late end changes nothing")
			})
		})
	}
}

// An upstream whose good answers take longer than a lease, as those that render
// reports do, gets its calls back as well.
func TestLateProbesCloseTheCircuit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step   rttest.Step
		probes int
	}{
		"late answer":            {rttest.Step{Wait: 45 * time.Second}, 1},
		"late answer, body":      {rttest.Step{Wait: 45 * time.Second, Body: "report"}, 1},
		"late answer and stream": {rttest.Step{Wait: 45 * time.Second, Body: "tick", Endless: true, Drip: time.Second}, 1},
		"three late answers":     {rttest.Step{Wait: 45 * time.Second}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.Probes = tt.probes
				b := newBreaker(t, c)
				trip(t, b, host)
				ctx, hangUp := context.WithCancel(t.Context())
				s := rttest.NewScript(tt.step)
				for range 180 {
					time.Sleep(time.Second)
					go func() { _ = call(b.Wrap(s), newRequest(t, host).WithContext(ctx)) }()
					synctest.Wait()
					if b.Snapshot()[0].State == breaker.Closed {
						break
					}
				}
				require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
				require.LessOrEqual(t, len(s.Calls()), 2*tt.probes+1)
				hangUp()
				synctest.Wait()
				require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
			})
		})
	}
}

// A hook that panics at the end of a lease would end the process: it is told
// with the next call, on a goroutine that somebody can recover.
func TestLeaseTellsHookWithNextCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		var told []breaker.State
		c.Hooks.StateChange = func(change breaker.Change) { told = append(told, change.To) }
		b := newBreaker(t, c)
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		resp, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "unread"})).RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		time.Sleep(breaker.DefaultProbeLease)
		synctest.Wait()
		require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen}, told)
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
		require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}, told)
		require.NoError(t, resp.Body.Close())
	})
}

// The end of an old call does not make anybody ask before the time.
func TestLateAnswerDoesNotHurryTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Second, Jitter: -1})
		old, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "slow"})).RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		s := rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", "60"}}, rttest.Step{})
		require.NoError(t, call(b.Wrap(s), newRequest(t, host)))
		time.Sleep(6 * time.Second)
		require.NoError(t, old.Body.Close())
		require.ErrorIs(t, call(b.Wrap(s), newRequest(t, host)), breaker.ErrOpen)
		require.Len(t, s.Calls(), 1)
		require.Equal(t, breaker.Open, b.Snapshot()[0].State)
	})
}

// A call from before the trip that ends after it must not move the new state.
func TestLateAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		late := make(chan error)
		go func() {
			late <- call(b.Wrap(rttest.NewScript(rttest.Step{Wait: 1500 * time.Millisecond})), newRequest(t, host))
		}()
		synctest.Wait()
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		probe := make(chan error)
		go func() {
			probe <- call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Second, Status: 503})), newRequest(t, host))
		}()
		require.NoError(t, <-late)
		require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen, "still half-open")
		require.NoError(t, <-probe)
		require.Error(t, b.Ready(newRequest(t, host)), "the probe's failure counts")
	})
}

// The lease of a probe that has ended keeps nothing of the call.
func TestEndedProbeIsForgotten(t *testing.T) {
	t.Parallel()
	c := one
	c.OpenTimeout, c.ProbeLease = 1, time.Hour
	b := newBreaker(t, c)
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
	type key struct{}
	begin := func() weak.Pointer[string] {
		value := new(string)
		req := newRequest(t, host).WithContext(context.WithValue(t.Context(), key{}, value))
		require.NoError(t, call(b.Wrap(prompt(&http.Response{StatusCode: http.StatusOK, Body: http.NoBody})), req))
		return weak.Make(value)
	}
	value := begin()
	require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
	require.Eventually(t, func() bool {
		runtime.GC()
		return value.Value() == nil
	}, 10*time.Second, time.Millisecond)
}
