package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/retry"
)

// shop takes an order each time it sees a new key, or none. It answers the first
// request of all with 503, after it has taken the order.
func shop(field string, orders *int) *httptest.Server {
	calls, known := 0, map[string]bool{}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get(field); key == "" || !known[key] {
			known[key] = true
			*orders++
		}
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

// Keys stand above the policy, so that all attempts have the same.
func ExampleKeys() {
	orders := 0
	server := shop("Idempotency-Key", &orders)
	defer server.Close()

	keys, err := retry.NewKeys(retry.KeysConfig{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: keys.Wrap(policy.Wrap(http.DefaultTransport))}

	resp, err := client.Post(server.URL, "application/json", strings.NewReader(`{"item":"shoes"}`))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", retry.AttemptsOf(resp), "attempts, orders:", orders)
	// Output: 200 after 2 attempts, orders: 1
}

// Below the policy each attempt would have a key of its own. The policy above
// sees none, so it does not repeat the order, unless it is told that it may.
func ExampleKeys_belowThePolicy_incorrect() {
	orders := 0
	server := shop("Idempotency-Key", &orders)
	defer server.Close()

	keys, err := retry.NewKeys(retry.KeysConfig{})
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(keys.Wrap(http.DefaultTransport))}

	for _, ctx := range []context.Context{context.Background(), retry.Idempotent(context.Background())} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(`{"item":"shoes"}`))
		if err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, "orders:", orders)
	}
	// Output:
	// 503 orders: 1
	// 200 orders: 2
}

// A key of the caller's own lasts longer than the process. It comes from what
// was stored before the first try.
func ExampleWithIdempotencyKey() {
	orders := 0
	server := shop("PayPal-Request-Id", &orders)
	defer server.Close()

	keys, err := retry.NewKeys(retry.KeysConfig{Header: "PayPal-Request-Id"})
	if err != nil {
		panic(err)
	}

	// The first process gives up after the 503, the second starts again.
	for range 2 {
		client := &http.Client{Transport: keys.Wrap(http.DefaultTransport)}
		ctx := retry.WithIdempotencyKey(context.Background(), "order-4711")
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(`{"item":"shoes"}`))
		if err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, "orders:", orders)
	}
	// Output:
	// 503 orders: 1
	// 200 orders: 1
}

func ExampleNewKeys() {
	_, err := retry.NewKeys(retry.KeysConfig{
		Header: "Idempotency Key",
		Hosts:  []string{"https://api.example.com"},
	})
	fmt.Println(err)
	// Output:
	// retry: KeysConfig.Header is "Idempotency Key": must be a token (RFC 9110, section 5.6.2)
	// retry: KeysConfig.Hosts[0] is "https://api.example.com": must be a host name or an IP address, without scheme, port, brackets and wildcards
}
