package providers_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
)

// client is a caller without any care: what it sees is what the wire carried.
type client struct {
	t *testing.T
	http.Client
}

func start(t *testing.T, plan providers.Plan) (*providers.World, *client) {
	t.Helper()
	w, err := providers.Start(t.Context(), plan, map[string]int{"tea": 3}, providers.Hook{})
	require.NoError(t, err)
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		require.NoError(t, w.Close(ctx))
	})
	return w, &client{t, http.Client{Transport: tr}}
}

// send returns the status, the headers and the body of an answer, or an error of the
// connection, be it before or within the answer.
func (c *client) send(method, url, key, body string) (int, http.Header, string, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	require.NoError(c.t, err)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { require.NoError(c.t, resp.Body.Close()) }()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(got), err
}

// ok is send for an answer that must come with this status.
func (c *client) ok(status int, method, url, key, body string) string {
	c.t.Helper()
	got, _, text, err := c.send(method, url, key, body)
	require.NoError(c.t, err)
	require.Equal(c.t, status, got, text)
	return text
}

func charge(order string) string {
	return `{"order":"` + order + `","amount":1999,"currency":"EUR"}`
}

func TestPaymentsKeepTheirLedger(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	url := w.Payments.URL()

	first := c.ok(201, "POST", url+"/v1/charges", "k1", charge("a"))
	require.Equal(t, first, c.ok(201, "POST", url+"/v1/charges", "k1", charge("a")), "the same key gets the same answer")
	require.Equal(t, providers.Account{Charges: 1}, w.Payments.Account("a"))
	c.ok(422, "POST", url+"/v1/charges", "k1", charge("b"))
	require.Zero(t, w.Payments.Account("b"))

	c.ok(201, "POST", url+"/v1/charges", "", charge("b"))
	c.ok(201, "POST", url+"/v1/charges", "", charge("b"))
	require.Equal(t, providers.Account{Charges: 2}, w.Payments.Account("b"), "without a key each call is a new charge")

	for order, want := range map[string]providers.Account{
		"a": {Charges: 1, Refunds: 1},
		"b": {Charges: 2, Refunds: 2},
		"c": {}, // nobody was charged for it
	} {
		refund := `{"order":"` + order + `"}`
		c.ok(201, "POST", url+"/v1/refunds", "r"+order, refund)
		c.ok(201, "POST", url+"/v1/refunds", "r"+order, refund)
		c.ok(201, "POST", url+"/v1/refunds", "", refund)
		require.Equal(t, want, w.Payments.Account(order))
		c.ok(409, "POST", url+"/v1/charges", "late "+order, charge(order))
		c.ok(409, "POST", url+"/v1/charges", "", charge(order))
		require.Equal(t, want, w.Payments.Account(order), "a charge that is late is refused")
	}

	for _, bad := range []string{``, `{}`, `{"order":"a","amount":0,"currency":"EUR"}`} {
		c.ok(400, "POST", url+"/v1/charges", "", bad)
	}
	c.ok(400, "POST", url+"/v1/refunds", "", `{"charge":"none"}`)
	c.ok(400, "POST", url+"/v1/refunds", "", ``)
}

func TestPaymentsChargeOnceForConcurrentCalls(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, _, err := c.send("POST", w.Payments.URL()+"/v1/charges", "k", charge("a"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, w.Payments.Account("a").Charges)
	require.Equal(t, providers.Stats{Calls: 8, Retries: 7}, w.Payments.Stats())
}

func TestShippingPutTwiceIsOneShipment(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	url := w.Shipping.URL() + "/v1/shipments/a"
	c.ok(404, "GET", url, "", "")
	require.False(t, w.Shipping.Shipped("a"))
	first := c.ok(200, "PUT", url, "", `{"sku":"tea","quantity":1}`)
	require.Equal(t, first, c.ok(200, "PUT", url, "", `{"sku":"tea","quantity":1}`))
	require.Equal(t, first, c.ok(200, "GET", url, "", ""))
	require.True(t, w.Shipping.Shipped("a"))
	c.ok(400, "PUT", url, "", `{}`)
}

func TestShippingDeleteEndsAShipment(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	for _, order := range []string{"made", "late"} {
		url := w.Shipping.URL() + "/v1/shipments/" + order
		if order == "made" {
			c.ok(200, "PUT", url, "", `{"sku":"tea","quantity":1}`)
			require.True(t, w.Shipping.Shipped(order))
		}
		first := c.ok(200, "DELETE", url, "", "")
		require.Equal(t, first, c.ok(200, "DELETE", url, "", ""))
		require.False(t, w.Shipping.Shipped(order))
		c.ok(409, "PUT", url, "", `{"sku":"tea","quantity":1}`)
		require.False(t, w.Shipping.Shipped(order), "it stays ended")
		require.Equal(t, first, c.ok(200, "GET", url, "", ""))
	}
}

func TestInventoryReservesOnce(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	url := w.Inventory.URL() + "/graphql"
	mutation := func(name, id, order string) string {
		return `{"operationName":"` + name + `","variables":{"input":{"clientMutationId":"` + id +
			`","order":"` + order + `","sku":"tea","quantity":2}}}`
	}
	const query = `{"operationName":"Stock","variables":{"sku":"tea"}}`

	require.JSONEq(t, `{"data":{"stock":{"available":3}}}`, c.ok(200, "POST", url, "", query))
	first := c.ok(200, "POST", url, "", mutation("Reserve", "m1", "a"))
	require.Equal(t, first, c.ok(200, "POST", url, "", mutation("Reserve", "m1", "a")))
	require.Equal(t, 1, w.Inventory.Reservations("a"))
	require.Equal(t, 1, w.Inventory.Stock("tea"))

	require.Contains(t, c.ok(200, "POST", url, "", mutation("Reserve", "m2", "b")), "OUT_OF_STOCK")
	require.Zero(t, w.Inventory.Reservations("b"))

	c.ok(200, "POST", url, "", mutation("Release", "m3", "a"))
	require.Zero(t, w.Inventory.Reservations("a"))
	require.Equal(t, 3, w.Inventory.Stock("tea"))
	c.ok(400, "POST", url, "", mutation("Burn", "m4", "a"))
	c.ok(400, "POST", url, "", mutation("Reserve", "m5", ""))
}

func TestAnalyticsCountAnEventOnce(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.Plan{})
	url := w.Analytics.URL() + "/v1/events"
	c.ok(202, "POST", url, "", `{"batch":"b1","events":[{"id":"1"},{"id":"2"}]}`)
	c.ok(202, "POST", url, "", `{"batch":"b1","events":[{"id":"1"},{"id":"2"}]}`)
	c.ok(202, "POST", url, "", `{"batch":"b2","events":[{"id":"2"},{"id":"3"}]}`)
	require.Equal(t, 3, w.Analytics.Events())
	c.ok(400, "POST", url, "", `{"batch":"b3"}`)
	c.ok(400, "POST", url, "", `{"events":[{"id":"1"}]}`)
}

// orderWith returns an order on a shard that is up, whose first charge meets the kind
// and whose second does not fail.
func orderWith(t *testing.T, plan providers.Plan, kind providers.Kind) string {
	t.Helper()
	for n := range 100_000 {
		id := orderID(n)
		if plan.Outage("payments", providers.Shard(id)) == 0 &&
			plan.Fault("payments", "charge", id, 1).Kind == kind &&
			plan.Fault("payments", "charge", id, 2).Kind == providers.Healthy {
			return id
		}
	}
	require.FailNow(t, "no such order", "kind %d", kind)
	return ""
}

func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	plan := providers.NewPlan(providers.Mild, 1)
	tests := []struct {
		name    string
		kind    providers.Kind
		status  int  // of the first answer, 0 for none
		broken  bool // whether reading the first answer fails
		charged int  // how often the order was charged after it
		stats   providers.Stats
	}{
		{"unavailable", providers.Unavailable, 503, false, 0, providers.Stats{Calls: 2, ServerErrors: 1, Retries: 1}},
		{"cut", providers.Cut, 201, true, 1, providers.Stats{Calls: 2, Resets: 1, Retries: 1}},
		{"dropped", providers.Dropped, 0, true, 1, providers.Stats{Calls: 2, Resets: 1, Retries: 1}},
		{"slow", providers.Slow, 201, false, 1, providers.Stats{Calls: 2, Slow: 1, Retries: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, c := start(t, plan)
			order := orderWith(t, plan, tt.kind)
			url := w.Payments.URL() + "/v1/charges"

			status, h, _, err := c.send("POST", url, order, charge(order))
			require.Equal(t, tt.status, status)
			require.Equal(t, tt.broken, err != nil, "%v", err)
			require.Equal(t, tt.charged, w.Payments.Account(order).Charges)
			if tt.kind == providers.Unavailable {
				require.Equal(t, plan.Fault("payments", "charge", order, 1).RetryAfter, h.Get("Retry-After"))
			}

			c.ok(201, "POST", url, order, charge(order))
			require.Equal(t, 1, w.Payments.Account(order).Charges, "the work of the first call was kept")
			require.Equal(t, tt.stats, w.Payments.Stats())
		})
	}
}

func TestOutageOnTheWire(t *testing.T) {
	t.Parallel()
	plan := providers.NewPlan(providers.Mild, 1)
	w, c := start(t, plan)
	url := w.Payments.URL() + "/v1/charges"
	down := 0
	for plan.Outage("payments", providers.Shard(orderID(down))) == 0 {
		down++
	}
	order := orderID(down)

	c.ok(503, "POST", url, order, charge(order))
	up := orderWith(t, plan, providers.Healthy)
	c.ok(201, "POST", url, up, charge(up))

	refused := 1
	for {
		status, _, _, err := c.send("POST", url, order, charge(order))
		if err == nil && status == 201 {
			break
		}
		refused++
		require.Less(t, refused, 100, "the outage ends")
	}
	require.Equal(t, 1, w.Payments.Account(order).Charges)
}

func TestCallsAboveTheQuotaAreRefused(t *testing.T) {
	t.Parallel()
	w, c := start(t, providers.NewPlan(providers.Mild, 1))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				status, h, _, err := c.send("POST", w.Analytics.URL()+"/v1/events", "", `{"batch":"b","events":[{"id":"1"}]}`)
				if err == nil && status == http.StatusTooManyRequests {
					if h.Get("Retry-After") == "" || h.Get("X-RateLimit-Remaining") != "0" {
						t.Errorf("429 with %v", h)
					}
					return
				}
			}
			t.Error("no 429 in 500 calls")
		})
	}
	wg.Wait()
	require.Positive(t, w.Analytics.Stats().TooManyRequests)
}
