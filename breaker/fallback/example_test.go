package fallback_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/retry"
)

// switchable is a server that answers with body while it is up, else with 503.
type switchable struct {
	*httptest.Server
	down atomic.Bool
}

func newServer(body string) *switchable {
	s := &switchable{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if s.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, body, req.Header.Get("Authorization"))
	}))
	return s
}

// show prints an answer.
func show(resp *http.Response, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	source := resp.Header.Get(fallback.Header)
	if !fallback.Degraded(resp) {
		source = "the upstream"
	}
	fmt.Printf("%d %s, from %s\n", resp.StatusCode, body, source)
}

// clientWith returns a client that falls back to answers.
func clientWith(answers ...fallback.Answer) *http.Client {
	f, err := fallback.New(fallback.Config{Answers: answers})
	if err != nil {
		panic(err)
	}
	return &http.Client{Transport: f.Wrap(http.DefaultTransport)}
}

func Example() {
	server := newServer("42 in stock%.0s")
	defer server.Close()

	answers, err := fallback.New(fallback.Config{
		Answers: []fallback.Answer{
			fallback.LastGood(fallback.LastGoodConfig{MaxAge: 5 * time.Minute}),
			fallback.Static(http.StatusOK, nil, []byte("ask the shop")),
		},
		Hooks: fallback.Hooks{Served: func(e fallback.Event) {
			fmt.Printf("%s served, because of a %d\n", e.Answer, e.Failure.Status)
		}},
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: answers.Wrap(http.DefaultTransport)}

	show(client.Get(server.URL + "/stock"))
	server.down.Store(true)
	show(client.Get(server.URL + "/stock"))
	show(client.Get(server.URL + "/price"))

	s := answers.Snapshot()
	fmt.Println(s.Calls, "calls,", s.Failures, "failures,", s.Served, "degraded answers")
	// Output:
	// 200 42 in stock, from the upstream
	// last-good served, because of a 503
	// 200 42 in stock, from last-good
	// static served, because of a 503
	// 200 ask the shop, from static
	// 3 calls, 2 failures, 2 degraded answers
}

// A page can do without recommendations, so an empty list will do. It fits their
// URLs only.
func ExampleStatic() {
	server := newServer("[1,2]%.0s")
	defer server.Close()
	server.down.Store(true)

	client := clientWith(
		fallback.Static(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte("[]")).
			Named("no-recommendations").
			When(func(req *http.Request) bool { return strings.HasPrefix(req.URL.Path, "/recommendations/") }),
	)
	show(client.Get(server.URL + "/recommendations/7"))
	show(client.Get(server.URL + "/orders/7"))
	// Output:
	// 200 [], from no-recommendations
	// 503 , from the upstream
}

// An order that can't be placed goes into a queue, and the answer says so.
func ExampleFunc() {
	server := newServer("%.0s")
	defer server.Close()
	server.down.Store(true)

	var queue []string
	client := clientWith(fallback.Func(func(_ context.Context, req *http.Request, _ fallback.Failure) (*http.Response, error) {
		if req.Method != http.MethodPost || req.GetBody == nil {
			return nil, nil // nothing to offer
		}
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		defer body.Close()
		order, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		queue = append(queue, string(order))
		return &http.Response{StatusCode: http.StatusAccepted, Body: io.NopCloser(strings.NewReader("queued"))}, nil
	}).Named("queue"))

	show(client.Post(server.URL+"/orders", "text/plain", strings.NewReader("two shoes")))
	fmt.Println(queue)
	// Output:
	// 202 queued, from queue
	// [two shoes]
}

// The replica has the same paths. It gets the request, but not the credential
// of the first server.
func ExampleTo() {
	server, replica := newServer("first %q"), newServer("replica %q")
	defer server.Close()
	defer replica.Close()

	client := clientWith(fallback.To(replica.URL, fallback.ToConfig{Transport: http.DefaultTransport}))
	req, err := http.NewRequest(http.MethodGet, server.URL+"/things", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	show(client.Do(req))
	server.down.Store(true)
	show(client.Do(req))
	// Output:
	// 200 first "Bearer secret", from the upstream
	// 200 replica "", from to
}

// Each caller gets the last good answer to the caller's own request, and nobody
// else's.
func ExampleLastGood() {
	server := newServer("hello %s")
	defer server.Close()

	client := clientWith(fallback.LastGood(fallback.LastGoodConfig{
		MaxBytes:      4 << 20,
		MaxAge:        10 * time.Minute,
		IgnoreHeaders: []string{"X-Trace"},
	}))
	ask := func(who string) {
		req, err := http.NewRequest(http.MethodGet, server.URL+"/me", nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", who)
		req.Header.Set("X-Trace", time.Now().String())
		resp, err := client.Do(req)
		if err == nil {
			fmt.Printf("[%s] ", resp.Header.Get("Cache-Status"))
		}
		show(resp, err)
	}
	ask("alice")
	server.down.Store(true)
	ask("alice")
	ask("bob")
	// Output:
	// [] 200 hello alice, from the upstream
	// [holdfast; fwd=stale; fwd-status=503; detail=last-good] 200 hello alice, from last-good
	// [] 503 , from the upstream
}

// A program may have to tell its users that what they see is old.
func ExampleDegraded() {
	server := newServer("%.0s")
	defer server.Close()
	server.down.Store(true)

	resp, err := clientWith(fallback.Static(http.StatusOK, nil, []byte("-"))).Get(server.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	if fallback.Degraded(resp) {
		fmt.Println("The shop does not answer at the moment.")
	}
	// Output: The shop does not answer at the moment.
}

// A fallback below retry hides every failure from it: nothing is ever repeated,
// and a hiccup of one attempt becomes a degraded answer. It belongs above.
func ExampleFallback_Wrap_incorrect() {
	answers, err := fallback.New(fallback.Config{Answers: []fallback.Answer{fallback.Static(http.StatusOK, nil, []byte("-"))}})
	if err != nil {
		panic(err)
	}
	retries, err := retry.New(retry.Config{Backoff: retry.FullJitter(time.Millisecond, time.Millisecond)})
	if err != nil {
		panic(err)
	}
	for _, transport := range []http.RoundTripper{
		retries.Wrap(answers.Wrap(http.DefaultTransport)), // wrong
		answers.Wrap(retries.Wrap(http.DefaultTransport)), // right
	} {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, "good")
		}))
		show((&http.Client{Transport: transport}).Get(server.URL))
		fmt.Println(calls, "calls")
		server.Close()
	}
	// Output:
	// 200 -, from static
	// 1 calls
	// 200 good, from the upstream
	// 3 calls
}
