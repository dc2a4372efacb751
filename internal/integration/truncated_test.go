package integration_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
)

// TestTruncated closes the connection in the middle of the answer, until it is
// healed before the attempt healAt.
func TestTruncated(t *testing.T) {
	t.Parallel()
	page := payload(64 << 10)
	const never = 99
	tests := []struct {
		name     string
		query    string
		bytes    int // that come through, headers included
		buffer   int64
		healAt   int
		attempts int
		cut      bool // the caller meets the error
	}{
		{"with a length, as it comes", "", 8 << 10, 0, 2, 1, true},
		{"with a length, buffered", "", 8 << 10, 1 << 20, 2, 2, false},
		{"with a length, longer than the buffer", "", 8 << 10, 1 << 10, 2, 1, true},
		{"chunked, as it comes", "?chunked", 8 << 10, 0, 2, 1, true},
		{"chunked, buffered", "?chunked", 8 << 10, 1 << 20, 2, 2, false},
		{"chunked, longer than the buffer", "?chunked", 8 << 10, 1 << 10, 2, 1, true},
		{"in the headers", "", 30, 0, 3, 3, false},
		{"every time", "", 8 << 10, 1 << 20, never, 3, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			link := startLink(t, newLedger(page))
			link.poison(t, toxic{Type: "limit_data", Stream: answers, Attributes: map[string]any{"bytes": tt.bytes}})
			sent := &attempts{before: func(n int) {
				if n == tt.healAt {
					link.heal(t)
				}
			}}
			client := newClient(t, newRetry(t, retry.Config{BufferResponses: tt.buffer}).Wrap, sent.Wrap)

			got := call(client, newGet(t, link.URL+"/"+tt.query))
			require.Equal(t, http.StatusOK, got.status)
			if tt.cut {
				require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
				require.True(t, bytes.HasPrefix(page, got.body), "what came through is part of the page")
			} else {
				require.NoError(t, got.err)
				require.True(t, bytes.Equal(page, got.body))
			}
			require.EqualValues(t, tt.attempts, sent.count.Load())
		})
	}
}

// TestTruncatedPost cuts the answer to a POST without a key. The work is done,
// so the call is not repeated even where its answers are buffered.
func TestTruncatedPost(t *testing.T) {
	t.Parallel()
	upstream := newLedger(nil)
	link := startLink(t, upstream)
	// The status line and part of the headers.
	link.poison(t, toxic{Type: "limit_data", Stream: answers, Attributes: map[string]any{"bytes": 30}})
	sent := &attempts{}
	client := newClient(t, newRetry(t, retry.Config{BufferResponses: 1 << 20}).Wrap, sent.Wrap)

	got := call(client, newPost(t, link.URL, "", bytes.NewReader(payload(1<<10))))
	require.Error(t, got.err)
	require.EqualValues(t, 1, sent.count.Load())
	work, _ := upstream.done("")
	require.Equal(t, 1, work)
}
