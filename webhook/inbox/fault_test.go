package inbox_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// hostile is an error of which one method panics or ends the goroutine.
type hostile struct{ error, unwrap, retryAfter func() }

func (e *hostile) Error() string             { e.error(); return "hostile" }
func (e *hostile) Unwrap() error             { e.unwrap(); return nil }
func (e *hostile) RetryAfter() time.Duration { e.retryAfter(); return time.Hour }

// What a handler returns, and how its schedule is made, is code of the program's
// that runs on a goroutine of ours.
func TestFaultsEndNothing(t *testing.T) {
	fine := func() {}
	var boom func()
	boom = func() { panic(&hostile{error: boom, unwrap: boom, retryAfter: boom}) }
	for name, test := range map[string]struct {
		err     error
		backoff func() backoff.BackOff
		reasons []string
	}{
		"Error":           {err: &hostile{boom, fine, fine}, reasons: []string{"inbox: the handler panicked with a *inbox_test.hostile"}},
		"Error ends":      {err: &hostile{runtime.Goexit, fine, fine}, reasons: []string{"inbox: the handler has ended its goroutine"}},
		"Unwrap":          {err: &hostile{fine, boom, fine}, reasons: []string{"hostile", "a callback panicked with a *inbox_test.hostile"}},
		"RetryAfter":      {err: &hostile{fine, fine, boom}, reasons: []string{"hostile", "a callback panicked with a *inbox_test.hostile"}},
		"Backoff":         {err: errBroken, backoff: func() backoff.BackOff { panic("no schedule") }, reasons: []string{"broken", "a callback panicked: no schedule"}},
		"Backoff ends":    {err: errBroken, backoff: func() backoff.BackOff { runtime.Goexit(); return nil }, reasons: []string{"broken", "a callback has ended its goroutine"}},
		"nil NextBackOff": {err: errBroken, backoff: func() backoff.BackOff { var b *backoff.ExponentialBackOff; return b }, reasons: []string{"broken", "nil pointer"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				attempts := 0
				in := newInbox(t, inbox.Config{
					MaxAttempts: 2, Workers: 1, Backoff: test.backoff,
					Handle: func(_ context.Context, d *inbox.Delivery) error {
						if d.ID == "good" {
							return nil
						}
						attempts++
						return test.err
					},
				})
				put(t, in, event("bad"), event("good"))
				stop := run(t, in)
				synctest.Wait()
				require.Equal(t, inbox.Done, stateOf(t, in, "good"))
				records, err := in.List(t.Context(), inbox.Filter{State: inbox.Pending})
				require.NoError(t, err)
				require.Len(t, records, 1)
				for _, reason := range test.reasons {
					require.Contains(t, records[0].Reason, reason)
				}
				time.Sleep(3 * time.Hour)
				stop()
				require.Equal(t, inbox.Dead, stateOf(t, in, "bad"))
				require.Equal(t, 2, attempts)
			})
		})
	}
}

// A handler that panics with what panics itself.
func TestPanicOfAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var dead error
		in := newInbox(t, inbox.Config{
			MaxAttempts: -1,
			Handle:      func(context.Context, *inbox.Delivery) error { panic((*nilError)(nil)) },
			Hooks:       inbox.Hooks{Dead: func(a inbox.Attempt) { dead = a.Err }},
		})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		stop()
		var panicked *inbox.PanicError
		require.True(t, errors.As(dead, &panicked))
		require.Equal(t, "inbox: the handler panicked with a *inbox_test.nilError", dead.Error())
	})
}
