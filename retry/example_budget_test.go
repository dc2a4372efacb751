package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/retry"
)

// In an outage a budget keeps many calls from becoming many times as many.
func ExampleBudget() {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()

	budget, err := retry.NewBudget(retry.BudgetConfig{Ratio: 0.1, MinPerSecond: -1})
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{Backoff: retry.Constant(0), Budget: budget})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}
	for range 100 {
		resp, err := client.Get(server.URL)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
	}
	fmt.Println(calls, "calls for 100 requests")
	// Output: 110 calls for 100 requests
}

// The time limit of an attempt stands below the policy, which repeats what took
// too long.
func ExampleAttemptTimeout() {
	policy, err := retry.New(retry.Config{})
	if err != nil {
		panic(err)
	}
	perAttempt := retry.AttemptTimeout(2 * time.Second)
	client := &http.Client{
		Transport: policy.Wrap(perAttempt(http.DefaultTransport)),
		Timeout:   10 * time.Second, // for all attempts together
	}
	fmt.Println(client.Transport != nil, client.Timeout)
	// Output: true 10s
}

// Do is for work that is not HTTP.
func ExampleDo() {
	policy, err := retry.New(retry.Config{Backoff: retry.Constant(time.Millisecond)})
	if err != nil {
		panic(err)
	}
	tries := 0
	value, err := retry.Do(context.Background(), policy, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", fmt.Errorf("try %d failed", tries)
		}
		return "done", nil
	})
	fmt.Println(value, err, tries)
	// Output: done <nil> 3
}

// Classify overrules the table: this API answers 404 until what it was asked to
// make can be seen.
func ExampleConfig_classify() {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()

	policy, err := retry.New(retry.Config{
		Backoff: retry.Constant(time.Millisecond),
		Classify: func(a retry.Attempt) retry.Verdict {
			if a.Response != nil && a.Response.StatusCode == http.StatusNotFound {
				return retry.RetryIfSafe
			}
			return retry.ByDefault
		},
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", retry.AttemptsOf(resp), "attempts")
	// Output: 200 after 3 attempts
}
