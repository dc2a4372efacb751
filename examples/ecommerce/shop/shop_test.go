package shop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
)

// network is four providers without a wire. An answer is looked up by the step.
type network struct {
	answers map[string]answer // the default is a good answer

	mu      sync.Mutex
	steps   []string
	keys    map[string]string // idempotency key by step
	batches []int             // events in each batch
	events  []string          // their names
}

type answer struct {
	status int
	body   string
	err    error
	do     func() // runs first, if not nil
}

var good = map[string]answer{
	"Stock":   {status: 200, body: `{"data":{"stock":{"available":5}}}`},
	"Reserve": {status: 200, body: `{"data":{"reserve":{}}}`},
	"Release": {status: 200, body: `{"data":{"release":{}}}`},
	"charge":  {status: 201, body: `{"id":"ch_1"}`},
	"refund":  {status: 201, body: `{}`},
	"ship":    {status: 200, body: `{}`},
	"cancel":  {status: 200, body: `{}`},
	"status":  {status: 200, body: `{"tracking":"TRK-1"}`},
	"events":  {status: 202, body: `{}`},
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	var body struct {
		OperationName string `json:"operationName"`
		Events        []struct {
			Name string `json:"name"`
		} `json:"events"`
	}
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
			return nil, err
		}
	}
	step := map[string]string{
		"POST /graphql":            body.OperationName,
		"POST /v1/charges":         "charge",
		"POST /v1/refunds":         "refund",
		"PUT /v1/shipments/o/1":    "ship",
		"DELETE /v1/shipments/o/1": "cancel",
		"GET /v1/shipments/o/1":    "status",
		"POST /v1/events":          "events",
	}[req.Method+" "+req.URL.Path]
	names := make([]string, len(body.Events))
	for i, e := range body.Events {
		names[i] = e.Name
	}
	a := n.note(step, req, names)
	if a.do != nil {
		a.do()
	}
	if err := context.Cause(req.Context()); err != nil {
		return nil, err
	}
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{
		StatusCode: a.status,
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader(a.body)),
		Request:    req,
	}, nil
}

func (n *network) note(step string, req *http.Request, events []string) answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if step == "events" {
		n.batches = append(n.batches, len(events))
		n.events = append(n.events, events...)
	} else {
		n.steps = append(n.steps, step)
		n.keys[step] = req.Header.Get("Idempotency-Key")
	}
	if a, ok := n.answers[step]; ok {
		return a
	}
	return good[step]
}

func open(answers map[string]answer) (*shop.Shop, *network) {
	n := &network{answers: answers, keys: map[string]string{}}
	client := &http.Client{Transport: n}
	at := shop.Provider{URL: "http://provider.test", PerSecond: 100}
	return shop.Open(
		shop.Providers{Inventory: at, Payments: at, Shipping: at, Analytics: at},
		shop.Clients{Inventory: client, Payments: client, Shipping: client, Analytics: client},
		&desk{network: n},
	), n
}

// desk is a desk that hears of a payment as the step "paid" says: at once, or never.
type desk struct {
	shop.Desk
	network *network
}

func (d *desk) Await(ctx context.Context, order string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://desk.test/paid/"+order, http.NoBody)
	if err != nil {
		return err
	}
	a := d.network.note("paid", req, nil)
	if a.do != nil {
		a.do()
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return a.err
}

// order has an id that must be escaped in a path.
var order = shop.Order{ID: "o/1", SKU: "tea", Quantity: 2, Amount: 1999, Currency: "EUR"}

func TestPlace(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken wire")
	unavailable := answer{status: 503, body: "{}"}
	tests := []struct {
		name    string
		answers map[string]answer
		steps   string
		want    shop.Receipt
		is      []error
		text    string
	}{
		{name: "good", steps: "Stock Reserve charge paid ship status", want: shop.Receipt{Charge: "ch_1", Tracking: "TRK-1"}},
		{
			name:    "stock unknown",
			answers: map[string]answer{"Stock": unavailable},
			steps:   "Stock", text: "inventory: Stock: 503 Service Unavailable",
		},
		{
			name:    "too few in stock",
			answers: map[string]answer{"Stock": {status: 200, body: `{"data":{"stock":{"available":1}}}`}},
			steps:   "Stock", is: []error{shop.ErrOutOfStock},
		},
		{
			name: "sold to another",
			answers: map[string]answer{"Reserve": {
				status: 200,
				body:   `{"errors":[{"message":"not enough","extensions":{"code":"OUT_OF_STOCK"}}]}`,
			}},
			steps: "Stock Reserve Release", text: "inventory: Reserve: OUT_OF_STOCK: not enough",
		},
		{
			name:    "answer to the reservation lost",
			answers: map[string]answer{"Reserve": {err: broken}},
			steps:   "Stock Reserve Release", is: []error{broken},
		},
		{
			name:    "not charged",
			answers: map[string]answer{"charge": unavailable},
			steps:   "Stock Reserve charge refund Release", text: "payments: charge: 503",
		},
		{
			name:    "answer to the charge lost",
			answers: map[string]answer{"charge": {err: broken}},
			steps:   "Stock Reserve charge refund Release", is: []error{broken},
		},
		{
			name:    "not paid",
			answers: map[string]answer{"paid": {err: broken}},
			steps:   "Stock Reserve charge paid refund Release", is: []error{broken}, text: "payments: not confirmed: ",
		},
		{
			name:    "not shipped, or the answer lost",
			answers: map[string]answer{"ship": {err: broken}},
			steps:   "Stock Reserve charge paid ship cancel refund Release", is: []error{broken},
		},
		{
			name:    "not shipped and not taken back",
			answers: map[string]answer{"ship": {err: broken}, "cancel": unavailable, "refund": unavailable, "Release": unavailable},
			steps:   "Stock Reserve charge paid ship cancel refund Release", is: []error{broken},
			text: "shipping: cancel: 503 Service Unavailable\npayments: refund: 503 Service Unavailable\n" +
				"inventory: Release: 503 Service Unavailable",
		},
		{
			name:    "not confirmed",
			answers: map[string]answer{"status": {err: broken}},
			steps:   "Stock Reserve charge paid ship status", is: []error{shop.ErrUnconfirmed, broken},
		},
		{
			name:    "answer is not JSON",
			answers: map[string]answer{"charge": {status: 201, body: "<html>"}},
			steps:   "Stock Reserve charge refund Release", text: "payments: charge: invalid character",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, n := open(tt.answers)
				receipt, err := s.Place(t.Context(), order)
				require.NoError(t, s.Close(t.Context()))
				require.Equal(t, tt.steps, strings.Join(n.steps, " "))
				require.Equal(t, tt.want, receipt)
				end := "order.failed"
				switch {
				case err == nil:
					end = "order.confirmed"
				case errors.Is(err, shop.ErrUnconfirmed):
					end = "order.unconfirmed"
				}
				require.Equal(t, []string{"order.placed", end}, n.events)
				if tt.is == nil && tt.text == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "shop: order o/1: ")
				require.ErrorContains(t, err, tt.text)
				for _, want := range tt.is {
					require.ErrorIs(t, err, want)
				}
			})
		})
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(map[string]answer{
			"charge":  {status: 402, body: "{}"},
			"Release": {status: 200, body: `{"errors":[{"message":"m","extensions":{"code":"C"}}]}`},
		})
		_, err := s.Place(t.Context(), order)
		require.NoError(t, s.Close(t.Context()))
		var status *shop.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, shop.StatusError{Call: "payments: charge", Status: 402}, *status)
		var graphql *shop.GraphQLError
		require.ErrorAs(t, err, &graphql)
		require.Equal(t, shop.GraphQLError{Operation: "Release", Code: "C", Message: "m"}, *graphql)
	})
}

func TestKeysComeFromTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, n := open(map[string]answer{"ship": {status: 500}})
		for range 2 {
			_, err := s.Place(t.Context(), order)
			require.Error(t, err)
			require.Equal(t, map[string]string{
				"Stock":   "",
				"Reserve": "Reserve-o/1",
				"charge":  "charge-o/1",
				"paid":    "",
				"ship":    "",
				"cancel":  "",
				"refund":  "refund-o/1",
				"Release": "Release-o/1",
			}, n.keys)
		}
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestAnOrderIsTakenBackForACallerWhoIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		s, n := open(map[string]answer{"ship": {do: func() { cancel(gone) }}})
		_, err := s.Place(ctx, order)
		require.ErrorIs(t, err, gone)
		require.NoError(t, s.Close(t.Context()))
		require.Equal(t, "Stock Reserve charge paid ship cancel refund Release", strings.Join(n.steps, " "))
	})
}

func TestEventsGoInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, n := open(nil)
		place := func(times int) {
			for range times {
				_, err := s.Place(t.Context(), order)
				require.NoError(t, err)
			}
		}
		batches := func() []int {
			synctest.Wait()
			n.mu.Lock()
			defer n.mu.Unlock()
			return append([]int(nil), n.batches...)
		}

		place(3)
		require.Empty(t, batches(), "they wait for company")
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, []int{6}, batches())
		place(25)
		require.Equal(t, []int{6, 50}, batches(), "a full batch does not wait")
		place(1)
		require.NoError(t, s.Close(t.Context()))
		require.Equal(t, []int{6, 50, 2}, batches(), "Close sends what is left")
		require.NoError(t, s.Close(t.Context()), "Close may come twice")
	})
}

func TestLostEventsLoseNoOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(map[string]answer{"events": {status: 503}})
		_, err := s.Place(t.Context(), order)
		require.NoError(t, err)
		err = s.Close(t.Context())
		var lost *shop.LostEventsError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, shop.EventsPerOrder, lost.Lost)
		var status *shop.StatusError
		require.ErrorAs(t, err, &status)
		require.EqualError(t, err, "shop: 2 analytics events lost: analytics: events: 503 Service Unavailable")
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(map[string]answer{"events": {do: func() { time.Sleep(10 * time.Second) }}})
		_, err := s.Place(t.Context(), order)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Close(ctx), context.Canceled)
	})
}

func TestHoldfastWantsARateLimit(t *testing.T) {
	t.Parallel()
	good := shop.Provider{URL: "http://good.test", PerSecond: 10}
	clients, err := shop.Holdfast(shop.Providers{Inventory: good, Payments: good, Shipping: good, Analytics: good})
	require.NoError(t, err)
	clients.CloseIdleConnections()

	_, err = shop.Holdfast(shop.Providers{
		Inventory: good,
		Payments:  shop.Provider{URL: "http://payments.test", PerSecond: 9},
		Shipping:  shop.Provider{URL: "http://shipping.test"},
		Analytics: good,
	})
	require.EqualError(t, err, "shop: http://payments.test: a rate limit of 9 calls per second is below 10\n"+
		"shop: http://shipping.test: a rate limit of 0 calls per second is below 10")
}
