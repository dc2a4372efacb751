package rttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Middleware wraps a RoundTripper in another.
type Middleware = func(http.RoundTripper) http.RoundTripper

// Subject is the middleware under test.
type Subject struct {
	// New returns the middleware with state of its own, so that one case does
	// not see what another has left. It is called inside a bubble.
	New func() Middleware

	// Hooked returns the middleware with callback called from each of its
	// hooks and user callbacks, and with waits of a few milliseconds at most.
	// nil if it has none. It is called outside a bubble.
	Hooked func(callback func()) Middleware
}

// Contract checks s, one subtest for each clause of the contract.
func Contract(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range run(t, s, c) {
				t.Error(v)
			}
		})
	}
}

// Violations checks one clause of the contract, by its name, and returns what
// is wrong with s instead of failing. It is for testing the contract itself:
// what breaks one clause may hang another.
func Violations(t *testing.T, s Subject, clause string) []string {
	t.Helper()
	for _, c := range cases {
		if c.name == clause {
			return run(t, s, c)
		}
	}
	t.Fatalf("rttest: no clause %q", clause)
	return nil
}

// clause is one sentence of the contract and what checks it.
type clause struct {
	name  string
	check func(*env)
	// real clauses look for locks that are never released, which a bubble
	// can't do: a goroutine that waits for one stops the bubble's clock.
	real bool
}

var cases = []clause{
	{name: "request body is closed exactly once", check: bodyClosed},
	{name: "request body is closed when the context is over", check: bodyClosedWhenCancelled},
	{name: "request is not changed", check: requestUnchanged},
	{name: "request arrives as it was made", check: requestArrives},
	{name: "request body arrives whole at each attempt", check: bodyArrives},
	{name: "GetBody works below", check: getBodyWorks},
	{name: "request without a body stays one", check: noBodyStaysNone},
	{name: "request body streams", check: requestStreams},
	{name: "request body waits for 100 Continue", check: expectContinue},
	{name: "discarded responses are drained and closed", check: discardedClosed},
	{name: "draining is bounded", check: drainBounded},
	{name: "returned body is readable after RoundTrip", check: bodyReadable},
	{name: "cut body is an error", check: cutBody},
	{name: "trailers arrive", check: trailersArrive},
	{name: "any status has a nil error", check: anyStatus},
	{name: "response body streams", check: responseStreams},
	{name: "upgraded connection is writable", check: upgradeWritable},
	{name: "cancellation ends a wait", check: cancelEndsWait},
	{name: "late answers are closed", check: lateAnswersClosed},
	{name: "nothing is left running", check: nothingLeft},
	{name: "connections are reused", check: connectionsReused},
	{name: "bare requests and answers are no reason to panic", check: bareMessages},
	{name: "CloseIdleConnections is forwarded", check: idleForwarded},
	{name: "safe for concurrent use", check: concurrentUse},
	{name: "panic of the transport passes through", check: panicPasses, real: true},
	{name: "panicking callback leaves nothing behind", check: callbackPanics, real: true},
}

// env is what a clause works with.
type env struct {
	t       *testing.T
	subject Subject

	mu         sync.Mutex
	violations []string
}

func (e *env) failf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.violations) < 10 {
		e.violations = append(e.violations, fmt.Sprintf(format, args...))
	}
}

// run checks one clause and returns the violations.
func run(t *testing.T, s Subject, c clause) []string {
	t.Helper()
	e := &env{t: t, subject: s}
	if c.real {
		c.check(e)
		return e.violations
	}
	completed := false
	func() {
		defer func() {
			// A bubble whose goroutines wait for ever panics.
			if p := recover(); p != nil && (!completed || len(e.violations) == 0) {
				e.failf("goroutines are blocked for ever: %v", p)
			}
		}()
		synctest.Test(t, func(t *testing.T) {
			e.t = t
			c.check(e)
			completed = true
		})
	}()
	return e.violations
}

// result is how a RoundTrip ended.
type result struct {
	resp     *http.Response
	err      error
	panicked any
	took     time.Duration
}

// patience is the time after which a RoundTrip is taken to hang. It is virtual.
const patience = 24 * time.Hour

var errHangs = errors.New("RoundTrip does not return")

// do sends req through rt and waits for the end of it.
func (e *env) do(rt http.RoundTripper, req *http.Request) result {
	begin := time.Now()
	done := make(chan result, 1)
	go func() {
		var r result
		finished := false
		defer func() {
			if !finished {
				r.panicked = recover()
			}
			r.took = time.Since(begin)
			done <- r
		}()
		r.resp, r.err = rt.RoundTrip(req)
		finished = true
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		if r.panicked == nil && (r.resp == nil) == (r.err == nil) {
			e.failf("%s: want a response or an error, got %v and %v", req.Method, r.resp, r.err)
		}
		return r
	case <-timer.C:
		e.failf("%s: %v", req.Method, errHangs)
		return result{err: errHangs, took: patience}
	}
}

// finish closes what a result holds, and lets goroutines come to rest.
func (r result) finish() {
	if r.resp != nil && r.resp.Body != nil {
		_ = r.resp.Body.Close()
	}
	synctest.Wait()
}

// upstream is a way for a server to behave.
type upstream struct {
	name  string
	steps []Step
}

var errBroken = errors.New("rttest: connection broken")

// moods are the upstreams that most clauses are checked against: together they
// make any policy accept, repeat, wait, refuse and give up.
var moods = []upstream{
	{"good", []Step{{Body: "good"}}},
	{"unavailable", []Step{{Status: 503, Body: "unavailable"}}},
	{"unavailable for a while", []Step{{Status: 503, Body: "unavailable", Header: []string{"Retry-After", "2"}}}},
	{"throttling for an hour", []Step{{Status: 429, Body: "slow down", Header: []string{"Retry-After", "3600"}}}},
	{"broken", []Step{{Err: errBroken}}},
	{"recovering", []Step{{Status: 502, Body: "bad"}, {Err: errBroken}, {Body: "good"}}},
	{"silent", []Step{{Wait: time.Hour}}},
	{"cutting answers", []Step{{Body: "half an ans", Cut: true}}},
	{"refusing unread", []Step{{Status: 503, Unread: true, Body: "unread"}, {Body: "good"}}},
}

// form is a way for a request to be.
type form struct {
	name    string
	method  string
	body    string
	getBody bool
	header  []string
}

var forms = []form{
	{name: "GET", method: "GET"},
	{name: "POST", method: "POST", body: "payload"},
	{name: "POST with GetBody", method: "POST", body: "payload", getBody: true},
	{name: "POST with key", method: "POST", body: "payload", header: []string{"Idempotency-Key", "k1"}},
	{name: "PUT", method: "PUT", body: "payload"},
	{name: "PUT with GetBody", method: "PUT", body: "payload", getBody: true},
}

// attempt is a request and its bodies.
type attempt struct {
	req    *http.Request
	body   *Body // nil if there is none
	mu     sync.Mutex
	copies []*Body // made by GetBody
}

func (f form) request(ctx context.Context) *attempt {
	a := &attempt{}
	req, err := http.NewRequestWithContext(ctx, f.method, "http://api.example.com/v1/things?q=1", nil)
	if err != nil {
		panic(err) // the forms above are valid
	}
	for i := 0; i+1 < len(f.header); i += 2 {
		req.Header.Set(f.header[i], f.header[i+1])
	}
	if f.body != "" {
		a.body = NewBody(f.body)
		req.Body, req.ContentLength = a.body, int64(len(f.body))
	}
	if f.getBody {
		req.GetBody = func() (rc io.ReadCloser, err error) {
			b := NewBody(f.body)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.copies = append(a.copies, b)
			return b, nil
		}
	}
	a.req = req
	return a
}

// inARow is how many calls a storm makes to one middleware.
const inARow = 12

// storm calls check for each mood and form, several calls in a row to one
// middleware, each with a deadline of some seconds.
func (e *env) storm(check func(where string, s *Script, rt http.RoundTripper, f form)) {
	for _, m := range moods {
		for _, f := range forms {
			s := NewScript(m.steps...)
			rt := e.subject.New()(s)
			for i := range inARow {
				check(fmt.Sprintf("%s, upstream %s, call %d", f.name, m.name, i+1), s, rt, f)
			}
		}
	}
}
