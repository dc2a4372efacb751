package breaker_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// crowd is an upstream that remembers when the calls came that it works on.
type crowd struct {
	sick  atomic.Bool
	calls atomic.Int64

	mu     sync.Mutex
	latest time.Time
	begun  map[*http.Request]time.Time
}

func (c *crowd) RoundTrip(req *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	c.begin(req)
	defer c.end(req)
	time.Sleep(time.Duration(1 + rand.Int64N(int64(20*time.Millisecond))))
	switch {
	case rand.IntN(20) == 0:
		return nil, notSent{}
	case c.sick.Load():
		return nil, errBroken
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

func (c *crowd) begin(req *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = time.Now()
	c.begun[req] = c.latest
}

func (c *crowd) end(req *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.begun, req)
}

// check compares what the upstream sees with what the circuit says while all
// goroutines rest.
func (c *crowd) check(t *testing.T, circuit breaker.Circuit, probes int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch circuit.State {
	case breaker.Open:
		require.False(t, c.latest.After(circuit.Since), "a call came through the open circuit")
	case breaker.HalfOpen:
		n := 0
		for _, at := range c.begun {
			if !at.Before(circuit.Since) {
				n++
			}
		}
		require.LessOrEqual(t, n, probes, "probes in flight")
	}
}

// A thousand goroutines call an upstream that is sick and well in turn. While
// the circuit is half-open no more than the allowed probes are in flight, while
// it is open nobody gets through, and in the end it closes.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const goroutines, probes = 1000, 3
	synctest.Test(t, func(t *testing.T) {
		up := &crowd{begun: map[*http.Request]time.Time{}}
		seen := map[breaker.State]int{}
		b := newBreaker(t, breaker.Config{
			ConsecutiveFailures: 5, OpenTimeout: 50 * time.Millisecond, MaxOpenTimeout: 100 * time.Millisecond,
			Probes: probes, ProbeLease: time.Second,
		})
		rt := b.Wrap(up)
		stop := time.Now().Add(2 * time.Second)
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for time.Now().Before(stop) {
					err := call(rt, newRequest(t, host))
					var e *breaker.OpenError
					if errors.As(err, &e) && e.State == breaker.Open {
						time.Sleep(max(1, e.RetryAfter()*time.Duration(rand.IntN(4))/3))
						continue
					}
					time.Sleep(time.Duration(1 + rand.Int64N(int64(100*time.Millisecond))))
				}
			})
		}
		for i := 0; time.Now().Before(stop); i++ {
			up.sick.Store(i/500%2 == 0)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			circuit := b.Snapshot()[0]
			seen[circuit.State]++
			up.check(t, circuit, probes)
		}
		wg.Wait()
		for _, state := range []breaker.State{breaker.Closed, breaker.HalfOpen, breaker.Open} {
			require.Greater(t, seen[state], 20, state)
		}
		require.Greater(t, up.calls.Load(), int64(goroutines))
		// Whatever has happened, an upstream that is well gets its calls back.
		up.sick.Store(false)
		for range 10 * probes {
			time.Sleep(time.Second)
			_ = call(rt, newRequest(t, host))
		}
		require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
	})
}

// Operators, callers and those who only look do not get into each other's way.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{
		ConsecutiveFailures: 2, OpenTimeout: time.Nanosecond, MaxKeys: 5, SlowCall: time.Nanosecond,
		Trip: func(n breaker.Counts) bool { return n.Slow > 10 },
		Hooks: breaker.Hooks{
			StateChange: func(breaker.Change) {},
			Refused:     func(*breaker.OpenError) {},
		},
	})
	steps := []rttest.Step{{Body: "good"}, {Status: 503, Body: "bad"}, {Err: errBroken}}
	rt := b.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		return rttest.NewScript(steps[rand.IntN(len(steps))]).RoundTrip(req)
	}))
	hosts := []string{"a.example.com", "b.example.com", "c.example.com"}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 100 {
				name := hosts[(i+j)%len(hosts)]
				switch i % 10 {
				case 0:
					_ = b.ForceOpen("https://" + name)
				case 1:
					_ = b.ForceClosed("https://" + name)
				case 2:
					b.Release("https://" + name)
				case 3:
					b.Snapshot()
				default:
					_ = b.Ready(newRequest(t, name))
					_ = call(rt, newRequest(t, name))
				}
			}
		})
	}
	wg.Wait()
	for _, name := range hosts {
		b.Release("https://" + name)
	}
	require.LessOrEqual(t, len(b.Snapshot()), 5)
}
