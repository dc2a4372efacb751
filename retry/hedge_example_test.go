package retry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/retry"
)

// stalling leaves the first request without an answer and answers the others.
func stalling(calls *atomic.Int64) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if calls.Add(1) == 1 {
			<-req.Context().Done()
		}
	}))
}

// A copy is sent when an answer has taken longer than 95 % of the recent ones,
// or 50 ms as long as there are not enough of those. A budget bounds the copies
// when the upstream is slow for all.
func ExampleHedge() {
	var calls atomic.Int64
	server := stalling(&calls)
	defer server.Close()

	budget, err := retry.NewBudget(retry.BudgetConfig{Ratio: 0.05})
	if err != nil {
		panic(err)
	}
	hedge, err := retry.NewHedge(retry.HedgeConfig{
		Percentile: 0.95,
		Delay:      50 * time.Millisecond,
		Budget:     budget,
		Hooks: retry.HedgeHooks{
			Won: func(e retry.HedgeEvent) { fmt.Println("copy", e.Copy, "won with", e.Status) },
		},
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: hedge.Wrap(http.DefaultTransport)}

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls.Load(), "copies")
	// Output:
	// copy 2 won with 200
	// 200 after 2 copies
}

// A Hedge belongs below a Policy: each attempt may be hedged, and what fails is
// still repeated.
func ExampleHedge_Wrap() {
	calls := 0
	server := unsteady(&calls)
	defer server.Close()

	hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: time.Minute})
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, 10*time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: policy.Wrap(hedge.Wrap(http.DefaultTransport))}

	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls, "calls")
	// Output: 200 after 3 calls
}

// A POST without an idempotency key is sent once, however long its answer takes:
// two copies could be two orders.
func ExampleHedge_post_incorrect() {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
	}))
	defer server.Close()

	hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: time.Nanosecond})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: hedge.Wrap(http.DefaultTransport)}

	resp, err := client.Post(server.URL+"/charges", "application/json", strings.NewReader(`{"amount":1999}`))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", calls.Load(), "copy")
	// Output: 200 after 1 copy
}

func ExampleNewHedge() {
	_, err := retry.NewHedge(retry.HedgeConfig{Percentile: 95, MaxExtra: 100})
	fmt.Println(err)
	// Output:
	// retry: HedgeConfig.Percentile is 95: must be between 0 and 1
	// retry: HedgeConfig.MaxExtra is 100: must be at most 10
}
