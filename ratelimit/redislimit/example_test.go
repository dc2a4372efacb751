package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/ratelimit"
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

// publishing tells all replicas what the headers of each answer say of the quota.
type publishing struct {
	limiter *redislimit.Limiter
	parser  *ratelimit.Parser
	key     string
	next    http.RoundTripper
}

func (p publishing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	var s ratelimit.Signal
	p.parser.Parse(resp, time.Now(), &s)
	for _, q := range s.Quotas {
		if q.Unit == ratelimit.Requests && q.Remaining >= 0 && q.ResetIn > 0 {
			p.limiter.Publish(p.key, int(q.Remaining), q.ResetIn)
		}
	}
	return resp, nil
}

// One replica reads what is left, and all keep to it.
func ExampleLimiter_Publish() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("RateLimit", `"hour";r=0;t=300`)
	}))
	defer server.Close()

	limiter, err := redislimit.New(redislimit.Config{Eval: newFake().Eval, Rate: 200, Burst: 100})
	if err != nil {
		panic(err)
	}
	parser, err := ratelimit.NewParser(ratelimit.Auto)
	if err != nil {
		panic(err)
	}
	told := publishing{limiter, parser, server.URL, http.DefaultTransport}
	client := &http.Client{Transport: limiter.Wrap(told)}
	resp, err := client.Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	left := time.Until(limiter.Snapshot().Buckets[0].HeldUntil)
	fmt.Println("held for", left.Round(time.Minute))
	// Output: held for 5m0s
}
