package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()

	// With go-redis, Eval is:
	//
	//	func(ctx context.Context, script string, keys, args []string) (any, error) {
	//		return redis.NewScript(script).Run(ctx, client, keys, args).Result()
	//	}
	limiter, err := redislimit.New(redislimit.Config{Eval: newFake().Eval, Rate: 200, Burst: 100})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// A request that can't have its turn in time learns it at once.
func ExampleLimiter_Hold() {
	limiter, err := redislimit.New(redislimit.Config{Eval: newFake().Eval, Rate: 200, Burst: 100})
	if err != nil {
		panic(err)
	}
	limiter.Hold("billing", time.Minute) // all replicas

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = limiter.Wait(ctx, "billing")
	if e, ok := errors.AsType[*redislimit.Error](err); ok {
		fmt.Printf("%s is held for %v: %v\n", e.Key, e.Wait.Round(time.Second), e.Reason)
	}
	// Output: billing is held for 1m0s: too late for the deadline
}

// Work that is not HTTP has its turn as well.
func ExampleLimiter_Do() {
	limiter, err := redislimit.New(redislimit.Config{Eval: newFake().Eval, Rate: 10})
	if err != nil {
		panic(err)
	}
	err = limiter.Do(context.Background(), "sms", func(context.Context) error {
		fmt.Println("sent")
		return nil
	})
	fmt.Println(err)
	// Output:
	// sent
	// <nil>
}
