package httpx_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// asking is an error that says something.
type asking struct {
	unsent bool
	wait   time.Duration
}

func (asking) Error() string               { return "asking" }
func (a asking) NotSent() bool             { return a.unsent }
func (a asking) RetryAfter() time.Duration { return a.wait }

func TestWhatErrorsSay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		unsent bool
		wait   time.Duration
	}{
		"nil":           {nil, false, 0},
		"silent":        {errors.New("silent"), false, 0},
		"says no":       {asking{}, false, 0},
		"says yes":      {asking{unsent: true, wait: time.Second}, true, time.Second},
		"negative wait": {asking{wait: -1}, false, 0},
		"wrapped":       {fmt.Errorf("call: %w", asking{unsent: true, wait: 2}), true, 2},
		"joined":        {errors.Join(errors.New("silent"), asking{unsent: true, wait: 2}), true, 2},
	} {
		require.Equal(t, tt.unsent, httpx.SaysNotSent(tt.err), name)
		require.Equal(t, tt.unsent, httpx.SaysRefused(tt.err), name)
		require.Equal(t, tt.wait, httpx.RetryAfter(tt.err), name)
	}
}

// attempted is the error of several attempts, none of which came to the server.
type attempted struct{ refused bool }

func (attempted) Error() string   { return "attempted" }
func (attempted) NotSent() bool   { return true }
func (a attempted) Refused() bool { return a.refused }

// keyless is the error of a call without credentials.
type keyless struct{ error }

func (keyless) NotSent() bool   { return true }
func (k keyless) Unwrap() error { return k.error }

// A server that nobody could connect to has seen nothing either, but may be to
// blame for that.
func TestSaysRefused(t *testing.T) {
	t.Parallel()
	require.True(t, httpx.SaysRefused(fmt.Errorf("call: %w", attempted{refused: true})))
	require.False(t, httpx.SaysRefused(fmt.Errorf("call: %w", attempted{})))
	require.True(t, httpx.SaysRefused(keyless{attempted{}}), "it is another server that is gone")
}
