package breaker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// openFor returns how long the circuit of host is going to stay open.
func openFor(t *testing.T, b *breaker.Breaker) time.Duration {
	t.Helper()
	var e *breaker.OpenError
	require.ErrorAs(t, b.Ready(newRequest(t, host)), &e)
	return e.RetryAfter() - 1
}

func TestOpenTimeGrows(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		longest time.Duration
		want    []time.Duration
	}{
		"to the default":     {0, []time.Duration{7 * time.Second, 14 * time.Second, 28 * time.Second, 56 * time.Second, time.Minute, time.Minute}},
		"to a bound of mine": {20 * time.Second, []time.Duration{7 * time.Second, 14 * time.Second, 20 * time.Second, 20 * time.Second}},
		"not at all":         {time.Second, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: 7 * time.Second, MaxOpenTimeout: tt.longest, Jitter: -1})
				bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
				for _, want := range tt.want {
					require.ErrorIs(t, call(bad, newRequest(t, host)), errBroken)
					require.Equal(t, want, openFor(t, b))
					time.Sleep(want)
					require.ErrorIs(t, call(bad, newRequest(t, host)), breaker.ErrOpen, "not before its time is over")
					time.Sleep(time.Nanosecond)
				}
				require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
				require.ErrorIs(t, call(bad, newRequest(t, host)), errBroken)
				require.Equal(t, tt.want[0], openFor(t, b), "a success starts anew")
			})
		})
	}
}

func TestOpenTimeHasJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: 10 * time.Second})
		bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
		shortest, longest := time.Hour, time.Duration(0)
		for range 300 {
			require.ErrorIs(t, call(bad, newRequest(t, host)), errBroken)
			open := openFor(t, b)
			shortest, longest = min(shortest, open), max(longest, open)
			time.Sleep(open + 1)
			require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
		}
		require.GreaterOrEqual(t, shortest, 10*time.Second)
		require.LessOrEqual(t, longest, 12*time.Second)
		require.Less(t, shortest, 10200*time.Millisecond)
		require.Greater(t, longest, 11800*time.Millisecond)
	})
}

func TestRetryAfterKeepsItOpen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		value string
		limit time.Duration
		want  time.Duration
	}{
		"longer":    {"30", 0, 30 * time.Second},
		"shorter":   {"2", 0, 5 * time.Second},
		"too long":  {"86400", 0, time.Minute},
		"overflow":  {"9223372036854775807", 0, time.Minute},
		"my bound":  {"86400", time.Hour, time.Hour},
		"ignored":   {"30", -1, 5 * time.Second},
		"no number": {"soon", 0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, MaxRetryAfter: tt.limit, Jitter: -1})
				wish := b.Wrap(rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", tt.value}}))
				require.NoError(t, call(wish, newRequest(t, host)))
				require.NoError(t, call(wish, newRequest(t, host)))
				require.Equal(t, tt.want, openFor(t, b))
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, Jitter: -1})
		require.NoError(t, call(b.Wrap(rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", "30"}})), newRequest(t, host)))
		require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
		require.Equal(t, 5*time.Second, openFor(t, b), "only the wish of the answer that opened it counts")
	})
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, Jitter: -1})
		require.Empty(t, b.Snapshot())
		begin := time.Now()
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, "a.example.com")))
		require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, "a.example.com")))
		time.Sleep(time.Second)
		trip(t, b, "b.example.com")
		require.Equal(t, []breaker.Circuit{
			{Key: "https://a.example.com", Counts: breaker.Counts{Successes: 1, Failures: 1, Consecutive: 1}},
			{Key: "https://b.example.com", State: breaker.Open, Since: begin.Add(time.Second), NextProbe: begin.Add(6*time.Second + 1)},
		}, b.Snapshot())
		time.Sleep(6 * time.Second)
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, "b.example.com")))
		require.Equal(t, breaker.Circuit{Key: "https://b.example.com", Since: begin.Add(7 * time.Second)}, b.Snapshot()[1])
	})
}

// What an operator sees of it, at an address of the program's own, say.
func TestStateInJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal([]breaker.Circuit{{}, {State: breaker.HalfOpen}, {State: breaker.Open}})
	require.NoError(t, err)
	for _, state := range []string{`"closed"`, `"half-open"`, `"open"`} {
		require.Contains(t, string(text), `"State":`+state)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	for name, tt := range map[string]struct {
		ctx   context.Context
		fn    func(context.Context) error
		want  error
		opens bool
	}{
		"success":   {t.Context(), func(context.Context) error { return nil }, nil, false},
		"failure":   {t.Context(), func(context.Context) error { return errBroken }, errBroken, true},
		"not sent":  {t.Context(), func(context.Context) error { return fmt.Errorf("below: %w", notSent{}) }, notSent{}, false},
		"cancelled": {ctx, func(context.Context) error { cancel(); return errBroken }, errBroken, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t, one)
			require.ErrorIs(t, b.Do(tt.ctx, "queue", tt.fn), tt.want)
			called := false
			err := b.Do(t.Context(), "queue", func(context.Context) error { called = true; return nil })
			require.Equal(t, tt.opens, errors.Is(err, breaker.ErrOpen))
			require.Equal(t, !tt.opens, called)
			require.NoError(t, b.Do(t.Context(), "another queue", func(context.Context) error { return nil }))
		})
	}
	t.Run("panic", func(t *testing.T) {
		t.Parallel()
		b := newBreaker(t, one)
		require.PanicsWithValue(t, http.ErrAbortHandler, func() {
			_ = b.Do(t.Context(), "queue", func(context.Context) error { panic(http.ErrAbortHandler) })
		})
		require.ErrorIs(t, b.Do(t.Context(), "queue", func(context.Context) error { return nil }), breaker.ErrOpen)
	})
}

func TestDoRefusalReachesHook(t *testing.T) {
	t.Parallel()
	var refused []string
	c := one
	c.Hooks.Refused = func(e *breaker.OpenError) { refused = append(refused, e.Key) }
	b := newBreaker(t, c)
	require.Error(t, b.Do(t.Context(), "queue", func(context.Context) error { return errBroken }))
	require.Error(t, b.Do(t.Context(), "queue", func(context.Context) error { return nil }))
	require.Equal(t, []string{"queue"}, refused)
}
