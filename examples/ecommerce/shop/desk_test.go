package shop_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// desks are both desks, behind the same secret.
func desks(t *testing.T) (all map[string]shop.Desk, send func(d shop.Desk, id, body string) int) {
	t.Helper()
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks()})
	require.NoError(t, err)
	verifier, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: []webhook.Key{signer.Key()}})
	require.NoError(t, err)
	plain, err := shop.PlainDesk(verifier)
	require.NoError(t, err)
	held, err := shop.HoldfastDesk(t.Context(), filepath.Join(t.TempDir(), "payments.db"), verifier)
	require.NoError(t, err)
	all = map[string]shop.Desk{"plain": plain, "holdfast": held}
	t.Cleanup(func() {
		for _, d := range all {
			require.NoError(t, d.Close(context.WithoutCancel(t.Context())))
		}
	})
	return all, func(d shop.Desk, id, body string) int {
		signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks(), Secret: signer.Key().Secret.Reveal(), ID: id})
		require.NoError(t, err)
		req, err := signer.Request("http://shop.test"+shop.HookPath, []byte(body), time.Now())
		require.NoError(t, err)
		recorder := httptest.NewRecorder()
		d.ServeHTTP(recorder, req)
		return recorder.Code
	}
}

func paid(kind, order string) string {
	return `{"type":"payment.` + kind + `","data":{"payment":"ch_1","order":"` + order + `","amount":1999,"currency":"EUR"}}`
}

func TestDesks(t *testing.T) {
	t.Parallel()
	all, send := desks(t)
	for name, d := range all {
		require.Equal(t, http.StatusUnauthorized, func() int {
			recorder := httptest.NewRecorder()
			d.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, shop.HookPath, http.NoBody))
			return recorder.Code
		}(), name)

		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := d.Await(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		require.Equal(t, http.StatusNoContent, send(d, "msg_2", paid("returned", "a")), "a refund that comes first")
		require.Equal(t, http.StatusNoContent, send(d, "msg_0", paid("pending", "a")))
		require.Equal(t, http.StatusNoContent, send(d, "msg_1", paid("settled", "a")))
		wg.Wait()
		require.NoError(t, d.Await(t.Context(), "a"), "paid is paid")
		require.NoError(t, d.Settle(t.Context()))
		entries, err := d.Entries(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, entries, 2, name)

		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		cancel(enough)
		require.Error(t, d.Await(ctx, "b"), name)
	}
}

func TestOnlyTheInboxBooksACopyOnce(t *testing.T) {
	t.Parallel()
	all, send := desks(t)
	for name, want := range map[string]int{"plain": 3, "holdfast": 1} {
		d := all[name]
		for range 3 {
			require.Equal(t, http.StatusNoContent, send(d, "msg_1", paid("settled", "a")))
		}
		require.NoError(t, d.Settle(t.Context()))
		entries, err := d.Entries(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, entries, want, name)
	}
}
