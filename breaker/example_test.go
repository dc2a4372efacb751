package breaker_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/holdfast/breaker"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()

	circuits, err := breaker.New(breaker.Config{
		ConsecutiveFailures: 3,
		Key:                 func(*http.Request) string { return "shipping API" },
		Hooks: breaker.Hooks{StateChange: func(c breaker.Change) {
			fmt.Printf("%s: %v, was %v\n", c.Key, c.To, c.From)
		}},
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: circuits.Wrap(http.DefaultTransport)}

	for range 4 {
		resp, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(errors.Is(err, breaker.ErrOpen))
			continue
		}
		fmt.Println(resp.StatusCode)
		resp.Body.Close()
	}
	// Output:
	// 502
	// 502
	// shipping API: open, was closed
	// 502
	// true
}

func ExampleBreaker_Ready() {
	circuits, err := breaker.New(breaker.Config{})
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(circuits.Ready(req))
	// Output: <nil>
}
