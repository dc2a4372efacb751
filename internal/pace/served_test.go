package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// As long as requests are served after the pause that a server asked for, the
// pause was long enough: the next one is no longer than is asked for either.
func TestPauseThatWasEnough(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	now := sec
	for range 10 {
		exchange(p, now, ms, pace.Answer{Throttled: true, RetryAfter: sec})
		require.Equal(t, now+ms+sec, p.Held())
		for range 3 {
			now = p.Plan(p.Held(), one).Until
			exchange(p, now, ms, nothing)
		}
		now += ms
	}
}

// A server that asks for too little is left alone for longer each time.
func TestPauseThatWasNotEnough(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	exchange(p, sec, ms, pace.Answer{Throttled: true, RetryAfter: sec})
	exchange(p, p.Held(), ms, nothing)
	now := p.Held() + 2*ms
	var pauses []time.Duration
	for range 5 {
		exchange(p, now, 0, pace.Answer{Throttled: true, RetryAfter: sec})
		pauses = append(pauses, p.Held()-now)
		now = p.Held()
	}
	require.Equal(t, []time.Duration{sec, sec, 2 * sec, 4 * sec, 8 * sec}, pauses)
}
