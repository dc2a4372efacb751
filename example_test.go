package holdfast_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

func Example() {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()

	circuits, err := breaker.New(breaker.Config{})
	if err != nil {
		panic(err)
	}
	limits, err := ratelimit.New(ratelimit.Config{Rate: 20, Burst: 5, Ready: circuits.Ready})
	if err != nil {
		panic(err)
	}
	retries, err := retry.New(retry.Config{MaxAttempts: 4})
	if err != nil {
		panic(err)
	}
	patience := retry.AttemptTimeout(5 * time.Second)
	client := &http.Client{Timeout: 30 * time.Second}
	client.Transport = holdfast.Chain(client.Transport, retries.Wrap, limits.Wrap, circuits.Wrap, patience)

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "calls")
	// Output: 200 after 3 calls
}

// A Middleware of your own takes its place in the chain like any other: here one
// that names the client to the server.
func ExampleChain() {
	agent := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context()) // never change the caller's request
			req.Header.Set("User-Agent", "shop/1.0")
			return next.RoundTrip(req)
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		fmt.Println(req.UserAgent())
	}))
	defer server.Close()

	client := &http.Client{Transport: holdfast.Chain(nil, agent)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	// Output: shop/1.0
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
