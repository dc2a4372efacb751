package inbox_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// nilError is an error whose nil pointer is none: a handler that returns one has
// made a mistake that is common in Go.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestErrorThatPanicsEndsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var dead inbox.Attempt
		in := newInbox(t, inbox.Config{
			MaxAttempts: -1,
			Hooks:       inbox.Hooks{Dead: func(a inbox.Attempt) { dead = a }},
			Handle: func(context.Context, *inbox.Delivery) error {
				var e *nilError
				return e
			},
		})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		stop()
		var panicked *inbox.PanicError
		require.ErrorAs(t, dead.Err, &panicked)
		require.ErrorContains(t, dead.Err, "nil pointer")
		require.Equal(t, inbox.Dead, stateOf(t, in, "a"))
	})
}
