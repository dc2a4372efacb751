package callback_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/callback"
)

func TestRun(t *testing.T) {
	t.Parallel()
	returned := false
	require.Nil(t, callback.Run(func() { returned = true }))
	require.True(t, returned)

	fault := callback.Run(func() { panic("oh") })
	require.Equal(t, "oh", fault.Value)
	require.Contains(t, string(fault.Stack), "callback_test.TestRun")
	require.False(t, fault.Goexit())
	require.Equal(t, "panicked: oh", fault.String())

	fault = callback.Run(runtime.Goexit)
	require.True(t, fault.Goexit())
	require.Equal(t, "has ended its goroutine", fault.String())
	require.Nil(t, fault.Value)

	fault = callback.Run(func() { panic(nil) }) //nolint:govet // as somebody does
	require.False(t, fault.Goexit())
	require.IsType(t, new(runtime.PanicNilError), fault.Value)
}

// evil is an error whose text panics.
type evil struct{}

func (e evil) Error() string { panic(e) }

func TestDescribe(t *testing.T) {
	t.Parallel()
	require.Equal(t, "panicked: oh", callback.Describe("oh"))
	require.Equal(t, "panicked: broken", callback.Describe(errors.New("broken")))
	require.Equal(t, "panicked with a struct { secret string }", callback.Describe(struct{ secret string }{"hush"}))
	require.Equal(t, "panicked with a callback_test.evil", callback.Describe(evil{}))
}
