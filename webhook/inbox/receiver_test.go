package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// fromWebhook is what a program has that puts what a webhook.Receiver has
// verified into an inbox. It knows what the order of events depends on.
func fromWebhook(events []webhook.Event) []inbox.Event {
	all := make([]inbox.Event, len(events))
	for i, e := range events {
		all[i] = inbox.Event{
			Source: e.Source, ID: e.ID, IDSigned: e.IDSigned, Type: e.Type,
			Body: e.Body, Header: e.Header, Received: e.Received, Fingerprint: e.Fingerprint(),
		}
	}
	return all
}

// receive returns a handler that puts what it receives into in, and a func that
// sends it a body, signed.
func receive(tb testing.TB, in *inbox.Inbox) func(body string) *http.Response {
	tb.Helper()
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
	require.NoError(tb, err)
	verifier, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{signer.Key()}})
	require.NoError(tb, err)
	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})
	require.NoError(tb, err)
	handler := receiver.Handler(func(ctx context.Context, events []webhook.Event) error {
		_, err := in.Put(ctx, fromWebhook(events)...)
		return err
	})
	return func(body string) *http.Response {
		req, err := signer.Request("https://example.com/hooks/stripe", []byte(body), time.Now())
		require.NoError(tb, err)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		return recorder.Result()
	}
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	store := storetest.NewFaulty(inbox.NewMemory())
	in := newInbox(t, inbox.Config{Store: store, MaxBacklog: 2})
	send := receive(t, in)
	body := func(n int) string { return fmt.Sprintf(`{"id":"evt_%d","type":"t"}`, n) }
	require.Equal(t, http.StatusNoContent, send(body(1)).StatusCode)
	require.Equal(t, http.StatusNoContent, send(body(1)).StatusCode, "a duplicate")
	require.Equal(t, inbox.Pending, stateOf(t, in, "evt_1"))

	store.Fail(storetest.Put, errBroken)
	failed := send(body(2))
	require.Equal(t, http.StatusServiceUnavailable, failed.StatusCode)
	require.NotEmpty(t, failed.Header.Get("Retry-After"))
	store.Fail(storetest.Put, nil)
	require.Equal(t, http.StatusNoContent, send(body(2)).StatusCode)

	full := send(body(3))
	require.Equal(t, http.StatusServiceUnavailable, full.StatusCode)
	require.Equal(t, "5", full.Header.Get("Retry-After"))
	records, err := in.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	require.Len(t, records, 2)
}
