package integration_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/retry"
)

// TestBreaker breaks a link, lets the circuit open, mends the link, and has one
// patient call find out that it is mended.
func TestBreaker(t *testing.T) {
	t.Parallel()
	const failures = 3
	tests := []struct {
		name    string
		toxic   toxic
		arrived int // requests that reach the upstream while the link is broken
	}{
		{"requests lost", toxic{Type: "reset_peer", Stream: requests}, 0},
		{"answers lost", toxic{Type: "reset_peer", Stream: answers}, failures},
		// The status has come through, so only the body shows the failure.
		{"answers cut", toxic{Type: "limit_data", Stream: answers, Attributes: map[string]any{"bytes": 1 << 10}}, failures},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page := payload(16 << 10)
			upstream := newLedger(page)
			link := startLink(t, upstream)
			link.poison(t, tt.toxic)
			changes := make(chan breaker.Change, 10)
			circuit, err := breaker.New(breaker.Config{
				ConsecutiveFailures: failures,
				OpenTimeout:         2 * time.Second,
				Hooks:               breaker.Hooks{StateChange: func(c breaker.Change) { changes <- c }},
			})
			require.NoError(t, err)
			sent := &attempts{}
			client := newClient(t, circuit.Wrap, sent.Wrap)

			for range failures {
				require.NoError(t, circuit.Ready(newGet(t, link.URL)))
				require.Error(t, call(client, newGet(t, link.URL)).err)
			}
			got := call(client, newGet(t, link.URL))
			var open *breaker.OpenError
			require.ErrorAs(t, got.err, &open)
			require.ErrorIs(t, got.err, breaker.ErrOpen)
			require.Positive(t, open.RetryAfter())
			require.ErrorIs(t, circuit.Ready(newGet(t, link.URL)), breaker.ErrOpen)
			require.EqualValues(t, failures, sent.count.Load())
			require.Equal(t, tt.arrived, upstream.arrived())

			link.heal(t)
			// The refusal tells the retries above it when to come back. It also
			// proves that nothing was sent, so this holds for a POST without a key.
			patient := newClient(t, newRetry(t, retry.Config{}).Wrap, circuit.Wrap, sent.Wrap)
			got = call(patient, newPost(t, link.URL, "", bytes.NewReader(page)))
			require.NoError(t, got.err)
			require.Equal(t, http.StatusCreated, got.status)
			got = call(client, newGet(t, link.URL))
			require.NoError(t, got.err)
			require.True(t, bytes.Equal(page, got.body))

			close(changes)
			var states []breaker.State
			for c := range changes {
				states = append(states, c.To)
			}
			require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}, states)
		})
	}
}
