package integration_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
)

// TestReset resets the connection of the first two attempts, before the request
// has arrived or after the work is done.
func TestReset(t *testing.T) {
	t.Parallel()
	body := payload(20 << 10)
	type newRequest func(t *testing.T, url string) *http.Request
	post := func(key string) newRequest {
		return func(t *testing.T, url string) *http.Request {
			return newPost(t, url, key, bytes.NewReader(body))
		}
	}
	stream := func(t *testing.T, url string) *http.Request {
		// A reader of an unknown type has no GetBody and no Content-Length.
		return newPost(t, url, "order-1", io.MultiReader(bytes.NewReader(body)))
	}
	marked := func(t *testing.T, url string) *http.Request {
		req := newPost(t, url, "", bytes.NewReader(body))
		return req.WithContext(retry.Idempotent(req.Context()))
	}
	tests := []struct {
		name     string
		lost     string
		request  newRequest
		key      string
		status   int // 0: the call fails
		attempts int
		arrived  int // requests that reach the upstream
		work     int // of them, those that did the work of a POST
	}{
		{"GET, request lost", requests, newGet, "", 200, 3, 1, 0},
		{"GET, answer lost", answers, newGet, "", 200, 3, 3, 0},
		{"POST without a key, request lost", requests, post(""), "", 0, 1, 0, 0},
		{"POST without a key, answer lost", answers, post(""), "", 0, 1, 1, 1},
		{"POST with a key, request lost", requests, post("order-1"), "order-1", 201, 3, 1, 1},
		{"POST with a key, answer lost", answers, post("order-1"), "order-1", 201, 3, 3, 1},
		{"POST of a stream with a key, answer lost", answers, stream, "order-1", 201, 3, 3, 1},
		{"POST marked as idempotent, answer lost", answers, marked, "", 201, 3, 3, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upstream := newLedger(payload(1 << 10))
			link := startLink(t, upstream)
			link.poison(t, toxic{Type: "reset_peer", Stream: tt.lost})
			sent := &attempts{before: func(n int) {
				if n == 3 {
					link.heal(t)
				}
			}}
			client := newClient(t, newRetry(t, retry.Config{}).Wrap, sent.Wrap)

			got := call(client, tt.request(t, link.URL))
			if tt.status == 0 {
				require.Error(t, got.err)
			} else {
				require.NoError(t, got.err)
			}
			require.Equal(t, tt.status, got.status)
			require.EqualValues(t, tt.attempts, sent.count.Load())
			require.Equal(t, tt.arrived, upstream.arrived())
			work, bodies := upstream.done(tt.key)
			require.Equal(t, tt.work, work)
			for _, b := range bodies {
				require.Equal(t, string(body), b)
			}
		})
	}
}

// TestRefused sends a POST without a key to a port on which nothing listens:
// nothing can have been done, so it may be sent again.
func TestRefused(t *testing.T) {
	t.Parallel()
	upstream := newLedger(nil)
	link := startLink(t, upstream)
	sent := &attempts{}
	transport := newTransport(t)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if sent.count.Load() < 3 {
			address = "127.0.0.1:1"
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	client := &http.Client{Transport: newRetry(t, retry.Config{}).Wrap(sent.Wrap(transport))}

	got := call(client, newPost(t, link.URL, "", bytes.NewReader(payload(1<<10))))
	require.NoError(t, got.err)
	require.Equal(t, http.StatusCreated, got.status)
	require.EqualValues(t, 3, sent.count.Load())
	work, _ := upstream.done("")
	require.Equal(t, 1, work)
}
