package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/retry"
)

// unsteady answers 503 twice before it answers 200, and counts.
func unsteady(calls *int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if *calls++; *calls%3 != 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

func Example() {
	calls := 0
	server := unsteady(&calls)
	defer server.Close()

	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "calls")
	// Output: 200 after 3 calls
}

// A POST is repeated when the server can tell a repetition from a second order.
func ExamplePolicy_idempotencyKey() {
	calls := 0
	server := unsteady(&calls)
	defer server.Close()

	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}

	req, err := http.NewRequest(http.MethodPost, server.URL+"/charges", strings.NewReader(`{"amount":1999}`))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Idempotency-Key", "order-4711") // the same for each try of this order
	resp, err := client.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "calls")
	// Output: 200 after 3 calls
}

// Without a key a POST is sent once: the server may have charged the card before
// it failed.
func ExamplePolicy_postWithoutKey_incorrect() {
	calls := 0
	server := unsteady(&calls)
	defer server.Close()

	policy, err := retry.New(retry.Config{})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}

	resp, err := client.Post(server.URL+"/charges", "application/json", strings.NewReader(`{"amount":1999}`))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "call")
	// Output: 503 after 1 call
}

// Idempotent marks requests that may be repeated though their method does not
// say so, such as a search that is sent as POST.
func ExampleIdempotent() {
	calls := 0
	server := unsteady(&calls)
	defer server.Close()

	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}

	ctx := retry.Idempotent(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/search", strings.NewReader(`{"q":"shoes"}`))
	if err != nil {
		panic(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "calls")
	// Output: 200 after 3 calls
}

// Any schedule of the backoff package will do. Config.Backoff makes a new one
// for each call, because a schedule keeps state.
func ExampleConfig_backoff() {
	policy, err := retry.New(retry.Config{
		MaxAttempts: 5,
		Backoff: func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(200*time.Millisecond), 4)
		},
	})
	fmt.Println(policy != nil, err)
	// Output: true <nil>
}

func ExampleFullJitter() {
	schedule := retry.FullJitter(100*time.Millisecond, 10*time.Second)()
	for range 3 {
		fmt.Println(schedule.NextBackOff() <= 400*time.Millisecond)
	}
	// Output:
	// true
	// true
	// true
}

func ExampleError() {
	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}
	server := httptest.NewServer(nil)
	server.Close() // nobody listens any more

	_, err = client.Get(server.URL)
	if e, ok := errors.AsType[*retry.Error](err); ok {
		fmt.Println(e.Attempts, "attempts:", e.Reason)
	}
	// Output: 3 attempts: attempts exhausted
}
