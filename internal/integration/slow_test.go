package integration_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// TestSlow reads an answer that comes late or in crumbs. Slow is not broken:
// it takes one attempt.
func TestSlow(t *testing.T) {
	t.Parallel()
	page := payload(64 << 10)
	tests := []struct {
		name   string
		toxics []toxic
	}{
		{"late", []toxic{{Type: "latency", Attributes: map[string]any{"latency": 50, "jitter": 20}}}},
		{"narrow", []toxic{{Type: "bandwidth", Attributes: map[string]any{"rate": 512}}}},
		{"in slices", []toxic{{Type: "slicer", Attributes: map[string]any{"average_size": 512, "size_variation": 128, "delay": 100}}}},
		{"all of it", []toxic{
			{Type: "latency", Attributes: map[string]any{"latency": 20}},
			{Type: "bandwidth", Attributes: map[string]any{"rate": 1024}},
			{Type: "slicer", Attributes: map[string]any{"average_size": 1024, "size_variation": 256, "delay": 100}},
		}},
	}
	for _, tt := range tests {
		for _, buffered := range []int64{0, 1 << 20} {
			name := tt.name + ", as it comes"
			if buffered > 0 {
				name = tt.name + ", buffered"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				link := startLink(t, newLedger(page))
				for _, x := range tt.toxics {
					x.Stream = answers
					link.poison(t, x)
				}
				sent := &attempts{}
				client := newClient(t, newRetry(t, retry.Config{BufferResponses: buffered}).Wrap, sent.Wrap)

				got := call(client, newGet(t, link.URL))
				require.NoError(t, got.err)
				require.Equal(t, http.StatusOK, got.status)
				require.True(t, bytes.Equal(page, got.body))
				require.EqualValues(t, 1, sent.count.Load())
			})
		}
	}
}

// TestSilence takes the answer away without closing the connection. A time limit
// for one attempt ends it.
func TestSilence(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	ownLimit := func(*http.Transport) holdfast.Middleware { return retry.AttemptTimeout(limit) }
	transportLimit := func(transport *http.Transport) holdfast.Middleware {
		transport.ResponseHeaderTimeout = limit
		return nil
	}
	tests := []struct {
		name     string
		limit    func(*http.Transport) holdfast.Middleware
		key      string
		status   int // 0: the call fails
		attempts int
	}{
		{"POST with a key", ownLimit, "order-1", http.StatusCreated, 2},
		{"POST without a key", ownLimit, "", 0, 1},
		{"POST with a key, the transport's limit", transportLimit, "order-1", http.StatusCreated, 2},
		{"POST without a key, the transport's limit", transportLimit, "", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upstream := newLedger(nil)
			link := startLink(t, upstream)
			link.poison(t, toxic{Type: "timeout", Stream: answers})
			sent := &attempts{before: func(n int) {
				if n == 2 {
					link.heal(t)
				}
			}}
			transport := newTransport(t)
			limited := tt.limit(transport)
			client := &http.Client{Transport: holdfast.Chain(transport, newRetry(t, retry.Config{}).Wrap, limited, sent.Wrap)}

			got := call(client, newPost(t, link.URL, tt.key, bytes.NewReader(payload(1<<10))))
			if tt.status == 0 {
				var timeout net.Error
				require.ErrorAs(t, got.err, &timeout)
				require.True(t, timeout.Timeout())
			} else {
				require.NoError(t, got.err)
			}
			require.Equal(t, tt.status, got.status)
			require.EqualValues(t, tt.attempts, sent.count.Load())
			work, _ := upstream.done(tt.key)
			require.Equal(t, 1, work)
		})
	}
}

// TestCallerDeadline has no time limit but the caller's own, which ends before
// the answer has come, or in the middle of it.
func TestCallerDeadline(t *testing.T) {
	t.Parallel()
	silence := toxic{Type: "timeout", Stream: answers}
	drip := toxic{Type: "bandwidth", Stream: answers, Attributes: map[string]any{"rate": 1}}
	tests := []struct {
		name   string
		toxic  toxic
		buffer int64
	}{
		{"no answer", silence, 0},
		{"a slow body, as it comes", drip, 0},
		{"a slow body, buffered", drip, 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			link := startLink(t, newLedger(payload(64<<10)))
			link.poison(t, tt.toxic)
			sent := &attempts{}
			client := newClient(t, newRetry(t, retry.Config{BufferResponses: tt.buffer}).Wrap, sent.Wrap)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()

			got := call(client, newGet(t, link.URL).WithContext(ctx))
			require.ErrorIs(t, got.err, context.DeadlineExceeded)
			require.EqualValues(t, 1, sent.count.Load())
		})
	}
}
