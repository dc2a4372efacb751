package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

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

// Calls that are late say as much as calls that fail, and a rule of one's own
// can say the rest.
func ExampleConfig() {
	circuits, err := breaker.New(breaker.Config{
		SlowCall:  2 * time.Second, // four of five such calls open the circuit
		SlowRatio: 0.8,
		Trip: func(n breaker.Counts) bool { // and so does this
			return n.Failures+n.Slow >= 50
		},
		Classify: func(err error) breaker.Verdict {
			if errors.Is(err, errBadRequest) {
				return breaker.Neither // our own mistake
			}
			return breaker.ByDefault
		},
	})
	if err != nil {
		panic(err)
	}
	for range 10 {
		_ = circuits.Do(context.Background(), "catalog", func(context.Context) error { return errBadRequest })
	}
	for range 3 {
		_ = circuits.Do(context.Background(), "catalog", func(context.Context) error { return io.ErrUnexpectedEOF })
	}
	fmt.Printf("%+v\n", circuits.Snapshot()[0].Counts)
	// Output: {Successes:0 Failures:3 Slow:0 Consecutive:3}
}

var errBadRequest = errors.New("bad request")

// An API that answers with a 500 to what it does not understand is not ill. It
// says so in a field of its own.
func ExampleConfig_check() {
	circuits, err := breaker.New(breaker.Config{
		Check: func(resp *http.Response) error {
			if resp.Header.Get("X-Error-Kind") == "validation" {
				return errBadRequest
			}
			return nil // the status decides
		},
		Classify: func(err error) breaker.Verdict {
			if errors.Is(err, errBadRequest) {
				return breaker.Success
			}
			return breaker.ByDefault
		},
	})
	if err != nil {
		panic(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nonsense" {
			w.Header().Set("X-Error-Kind", "validation")
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer api.Close()
	client := &http.Client{Transport: circuits.Wrap(nil)}
	for _, path := range []string{"/nonsense", "/nonsense", "/orders"} {
		resp, err := client.Get(api.URL + path)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
	}
	fmt.Printf("%+v\n", circuits.Snapshot()[0].Counts)
	// Output: {Successes:2 Failures:1 Slow:0 Consecutive:1}
}

// An operator knows of an outage before the circuit does, or knows better.
func ExampleBreaker_ForceOpen() {
	circuits, err := breaker.New(breaker.Config{})
	if err != nil {
		panic(err)
	}
	charge := func() error {
		return circuits.Do(context.Background(), "https://pay.example.com", func(context.Context) error { return nil })
	}
	fmt.Println(charge())
	if err := circuits.ForceOpen("https://pay.example.com"); err != nil {
		panic(err)
	}
	fmt.Println(charge())
	circuits.Release("https://pay.example.com")
	fmt.Println(charge())
	// Output:
	// <nil>
	// breaker: circuit of https://pay.example.com is forced open
	// <nil>
}
