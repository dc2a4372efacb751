package providers_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func TestNoticesDependOnTheirQuestionOnly(t *testing.T) {
	t.Parallel()
	const orders = 2000
	plan := providers.NewPlan(providers.Harsh, 7)
	kinds := map[providers.NoticeKind]int{}
	forged, late := 0, 0
	for n := range orders {
		first := plan.Notice("settled", orderID(n), 1)
		require.Equal(t, first, providers.NewPlan(providers.Harsh, 7).Notice("settled", orderID(n), 1))
		require.Equal(t, plan.Forged(orderID(n)), plan.Forged(orderID(n)))
		kinds[first.Kind]++
		if first.Delay > 20*time.Millisecond {
			late++
		}
		if plan.Forged(orderID(n)) {
			forged++
		}
		require.Less(t, first.Delay, time.Second)
		require.Equal(t, providers.Delivered, plan.Notice("settled", orderID(n), providers.MaxFaults+1).Kind, "a plan ends")
		none := providers.NewPlan(providers.None, 7)
		require.Equal(t, providers.Delivered, none.Notice("settled", orderID(n), 1).Kind)
		require.False(t, none.Forged(orderID(n)))
	}
	for _, kind := range []providers.NoticeKind{providers.CutOff, providers.Unheard, providers.Repeated} {
		require.InDelta(t, orders*7/100, kinds[kind], orders*3/100, "kind %d", kind)
	}
	require.InDelta(t, orders*5/100, forged, orders*3/100)
	require.InDelta(t, orders*15/100, late, orders*5/100)
}

// paidOnce charges an order in a world that tells a receiver of it, waits until all is
// told, and returns how often each event came in.
func paidOnce(t *testing.T, plan providers.Plan, order string, receive func(n int) int) (map[string]int, providers.Webhooks) {
	t.Helper()
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks()})
	require.NoError(t, err)
	verifier, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: []webhook.Key{signer.Key()}})
	require.NoError(t, err)
	var mu sync.Mutex
	came := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it was cut off
		}
		if _, err := verifier.Verify(r, body); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("Webhook-Id")
		came[id]++
		w.WriteHeader(receive(came[id]))
	}))
	t.Cleanup(server.Close)
	w, err := providers.Start(t.Context(), plan, nil, providers.Hook{URL: server.URL, Secret: signer.Key().Secret})
	require.NoError(t, err)
	c := &client{t, http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	for status := 0; status != http.StatusCreated; {
		status, _, _, err = c.send("POST", w.Payments.URL()+"/v1/charges", order, charge(order))
		if err != nil {
			status = 0
		}
	}
	end, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, w.Close(end))
	return came, w.Payments.Webhooks()
}

func TestTheShopIsToldUntilItHasHeard(t *testing.T) {
	t.Parallel()
	came, stats := paidOnce(t, providers.NewPlan(providers.None, 1), "a", func(n int) int {
		if n < 3 {
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	})
	require.Equal(t, map[string]int{"msg_pending_ch_000001": 3, "msg_settled_ch_000001": 3}, came)
	require.Equal(t, providers.Webhooks{Events: 2, Sent: 6, Refused: 4}, stats)
}

// noticed returns an order about whose payment the shop is told in this way at first, and
// well at the second attempt, and of the charge itself well.
func noticed(t *testing.T, plan providers.Plan, kind providers.NoticeKind, forged bool) string {
	t.Helper()
	for n := range 100_000 {
		id := orderID(n)
		if plan.Forged(id) == forged &&
			plan.Notice("pending", id, 1).Kind == providers.Delivered &&
			plan.Notice("settled", id, 1).Kind == kind &&
			plan.Notice("settled", id, 2).Kind == providers.Delivered {
			return id
		}
	}
	require.FailNow(t, "no such order", "kind %d", kind)
	return ""
}

func TestNoticesOnTheWire(t *testing.T) {
	t.Parallel()
	plan := providers.NewPlan(providers.Mild, 3)
	tests := []struct {
		name   string
		kind   providers.NoticeKind
		forged bool
		came   int
		stats  providers.Webhooks
	}{
		{"delivered", providers.Delivered, false, 1, providers.Webhooks{Events: 2, Sent: 2}},
		{"cut off", providers.CutOff, false, 1, providers.Webhooks{Events: 2, Sent: 3, Cut: 1}},
		{"unheard", providers.Unheard, false, 2, providers.Webhooks{Events: 2, Sent: 3, Duplicates: 1}},
		{"repeated", providers.Repeated, false, 2, providers.Webhooks{Events: 2, Sent: 3, Duplicates: 1}},
		{"forged", providers.Delivered, true, 1, providers.Webhooks{Events: 2, Sent: 3, Forged: 1, Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			came, stats := paidOnce(t, plan, noticed(t, plan, tt.kind, tt.forged), func(int) int { return http.StatusNoContent })
			require.Equal(t, map[string]int{"msg_pending_ch_000001": 1, "msg_settled_ch_000001": tt.came}, came)
			require.Equal(t, tt.stats, stats)
		})
	}
}
