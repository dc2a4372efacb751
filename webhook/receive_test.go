package webhook_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// bodyOf returns the body of a request, which can be read again.
func bodyOf(tb testing.TB, req *http.Request) []byte {
	tb.Helper()
	r, err := req.GetBody()
	require.NoError(tb, err)
	body, err := io.ReadAll(r)
	require.NoError(tb, err)
	return body
}

// receive sends a request to a receiver, and returns the events that came out.
func receive(tb testing.TB, c webhook.ReceiverConfig, req *http.Request) (events []webhook.Event) {
	tb.Helper()
	r, err := webhook.NewReceiver(c)
	require.NoError(tb, err)
	w := httptest.NewRecorder()
	r.Handler(func(_ context.Context, e []webhook.Event) error {
		events = e
		return nil
	}).ServeHTTP(w, req)
	require.Less(tb, w.Code, 300)
	return events
}

func newReader(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }
