package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	limiter, err := ratelimit.New(ratelimit.Config{Rate: 100, Burst: 1})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}

	begin := time.Now()
	for range 6 {
		resp, err := client.Get(server.URL)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
	}
	fmt.Println(time.Since(begin) >= 50*time.Millisecond)
	// Output: true
}

// Who can't be served in time learns it at once.
func ExampleError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()

	limiter, err := ratelimit.New(ratelimit.Config{
		Key: func(*http.Request) string { return "billing API" },
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		panic(err)
	}
	_, err = client.Do(req)
	if e, ok := errors.AsType[*ratelimit.Error](err); ok {
		fmt.Printf("%s is held for %v: %v\n", e.Key, e.Wait.Round(time.Second), e.Reason)
	}
	// Output: billing API is held for 30s: too late for the deadline
}

// With Ready, requests to an open circuit neither queue nor cost a token.
func ExampleConfig_ready() {
	circuits, err := breaker.New(breaker.Config{})
	if err != nil {
		panic(err)
	}
	limiter, err := ratelimit.New(ratelimit.Config{Rate: 20, Ready: circuits.Ready})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(circuits.Wrap(http.DefaultTransport))}
	fmt.Println(client.Transport != nil)
	// Output: true
}

// A person at a screen does not wait behind a nightly batch.
func ExampleWithPriority() {
	limiter, err := ratelimit.New(ratelimit.Config{Rate: 20})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}

	ctx := ratelimit.WithPriority(context.Background(), ratelimit.Batch)
	ctx = ratelimit.WithFlow(ctx, "nightly report") // takes turns with other jobs
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/orders", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(client.Transport != nil, req.Method)
	// Output: true GET
}

// A query whose price is known only afterwards.
func ExamplePermit_Settle() {
	limiter, err := ratelimit.New(ratelimit.Config{Rate: 0.01, Burst: 1000})
	if err != nil {
		panic(err)
	}
	ctx := ratelimit.WithCost(context.Background(), 300) // an estimate
	permit, err := limiter.Acquire(ctx, "points")
	if err != nil {
		panic(err)
	}
	defer permit.Release(nil)
	permit.Settle(120) // what the answer said
	fmt.Printf("%.0f points are left\n", limiter.Snapshot()[0].Tokens)
	// Output: 880 points are left
}

func ExampleLimiter_Do() {
	limiter, err := ratelimit.New(ratelimit.Config{MaxInFlight: 4})
	if err != nil {
		panic(err)
	}
	err = limiter.Do(context.Background(), "warehouse", func(context.Context) error {
		fmt.Println("at most four at once")
		return nil
	})
	fmt.Println(err)
	// Output:
	// at most four at once
	// <nil>
}

// How long a batch will take is known before it begins.
func ExampleLimiter_Plan() {
	limiter, err := ratelimit.New(ratelimit.Config{Rate: 5, Burst: 1})
	if err != nil {
		panic(err)
	}
	fmt.Println(limiter.Plan("https://api.example.com", 3001))
	// Output: 10m0s
}

// What a server tells of its quotas paces the calls. Nothing has to be set.
func ExampleConfig_dialect() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("RateLimit-Policy", `"hour";q=3600;w=3600`)
		w.Header().Set("RateLimit", `"hour";r=1800;t=1800`)
	}))
	defer server.Close()

	limiter, err := ratelimit.New(ratelimit.Config{
		Dialect: ratelimit.IETF,   // or nothing, which finds out
		Pace:    ratelimit.Spread, // others share the quota
		Key:     func(*http.Request) string { return "weather API" },
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()

	known := limiter.Snapshot()[0].Server
	fmt.Printf("%.0f of %.0f left, about %.0f per second\n", known.Quotas[0].Remaining, known.Quotas[0].Limit, known.Rate)
	// Output: 1800 of 3600 left, about 1 per second
}

// A server that wants to be left alone for a day keeps nobody waiting.
func ExampleReason() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()

	limiter, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()

	_, err = client.Get(server.URL)
	if e, ok := errors.AsType[*ratelimit.Error](err); ok && e.Reason == ratelimit.HeldTooLong {
		fmt.Println("try again in", e.Wait.Round(time.Hour))
	}
	// Output: try again in 24h0m0s
}

// Each customer's token has a quota of its own.
func ExampleCredentialOf() {
	limiter, err := ratelimit.New(ratelimit.Config{Credential: ratelimit.CredentialOf})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
	fmt.Println(client.Transport != nil)
	// Output: true
}

// A call to a language model waits for requests and for tokens.
func ExampleWithUnits() {
	ctx := ratelimit.WithUnits(context.Background(), ratelimit.Tokens, 1200) // an estimate
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://llm.example.com/v1/chat", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(req.Method)
	// Output: POST
}
