package retry_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestHedgeContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]retry.HedgeConfig{
		"zero config": {},
		"tiny delay":  {Delay: 1, MaxExtra: 3},
		"long delay":  {Delay: time.Hour},
		"percentile":  {Percentile: 0.5, Delay: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return newHedge(t, c).Wrap },
				Hooked: func(callback func()) rttest.Middleware {
					c := c
					// No copy in real time, where its end can't be waited for.
					c.Delay, c.Percentile = time.Hour, 0.999
					c.Key = func(*http.Request) string { callback(); return "" }
					c.Check = func(*http.Response) error { callback(); return nil }
					return newHedge(t, c).Wrap
				},
			})
		})
	}
}

// firstKey marks a call for slowStart, which holds up the first copy of it.
type firstKey struct{}

type marker struct{ http.RoundTripper }

func (m marker) RoundTrip(req *http.Request) (*http.Response, error) {
	return m.RoundTripper.RoundTrip(req.WithContext(context.WithValue(req.Context(), firstKey{}, new(atomic.Bool))))
}

func (m marker) CloseIdleConnections() {
	m.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

type slowStart struct{ http.RoundTripper }

func (s slowStart) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Context().Value(firstKey{}).(*atomic.Bool).CompareAndSwap(false, true) {
		timer := time.NewTimer(2 * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
		}
	}
	return s.RoundTripper.RoundTrip(req)
}

func (s slowStart) CloseIdleConnections() {
	s.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// The same contract where each call that may be hedged is, and its first copy
// loses unless the second fails. The clauses left out run in real time, or
// expect that requests come one after the other, and that the last answer of the
// transport is the one that is returned.
func TestHedgeContractWhenHedged(t *testing.T) {
	t.Parallel()
	subject := rttest.Subject{New: func() rttest.Middleware {
		h := newHedge(t, retry.HedgeConfig{Delay: time.Second})
		return func(next http.RoundTripper) http.RoundTripper { return marker{h.Wrap(slowStart{next})} }
	}}
	for _, clause := range []string{
		"request body is closed exactly once",
		"request body is closed when the context is over",
		"request is not changed",
		"request without a body stays one",
		"request body streams",
		"request body waits for 100 Continue",
		"returned body is readable after RoundTrip",
		"cut body is an error",
		"trailers arrive",
		"any status has a nil error",
		"response body streams",
		"upgraded connection is writable",
		"cancellation ends a wait",
		"late answers are closed",
		"nothing is left running",
		"bare requests and answers are no reason to panic",
		"CloseIdleConnections is forwarded",
		"safe for concurrent use",
	} {
		t.Run(clause, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, rttest.Violations(t, subject, clause))
		})
	}
}

// Whatever the upstream does and however many calls there are at once: each has
// one result, sends no more copies than it may, and leaves nothing behind.
func TestHedgeAnyScript(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { checkAnyScript(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func checkAnyScript(t *testing.T, random *rand.Rand) {
	t.Helper()
	steps := make([]rttest.Step, 300)
	for i := range steps {
		steps[i] = rttest.Step{
			Wait:   time.Duration(random.IntN(400)) * ms,
			Status: []int{200, 200, 200, 404, 429, 500, 503}[random.IntN(7)],
			Body:   []string{"", "answer"}[random.IntN(2)],
		}
		switch random.IntN(20) {
		case 0, 1, 2:
			steps[i].Err = errBroken
		case 3:
			steps[i].Header = []string{"Retry-After", "1"}
		case 4:
			steps[i].Panic = "panic"
		case 5:
			steps[i].Drip = 50 * ms
		}
	}
	s := rttest.NewScript(steps...)
	c := retry.HedgeConfig{
		Delay:      time.Duration(1+random.IntN(200)) * ms,
		MaxExtra:   1 + random.IntN(3),
		Percentile: []float64{0, 0.5, 0.9}[random.IntN(3)],
	}
	if random.IntN(2) == 0 {
		c.Budget = newBudget(t, retry.BudgetConfig{Ratio: 0.5})
	}
	var calls sync.Map // the number of copies by call
	rt := newHedge(t, c).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		n, _ := calls.LoadOrStore(req.Header.Get("Call"), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		return s.RoundTrip(req)
	}))
	var wg sync.WaitGroup
	for i := range 60 {
		method := []string{"GET", "PUT", "DELETE"}[random.IntN(3)]
		limit := time.Duration(1+random.IntN(800)) * ms
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			req := newRequest(t, method, nil).WithContext(ctx)
			req.Header.Set("Call", strconv.Itoa(i))
			begin := time.Now()
			resp, panicked, exited := fate(rt, req)
			if exited || time.Since(begin) > limit || (panicked != nil && panicked != "panic") {
				t.Errorf("call %d: exited %v, panicked with %v, after %v", i, exited, panicked, time.Since(begin))
			}
			if resp != nil {
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
	calls.Range(func(call, n any) bool {
		require.LessOrEqual(t, n.(*atomic.Int64).Load(), int64(1+c.MaxExtra), "copies of call %v", call)
		return true
	})
	for _, call := range s.Calls() {
		require.Error(t, call.Request.Context().Err(), "a context was not cancelled")
	}
	for i, b := range s.Bodies() {
		require.Positive(t, b.Closes(), "answer %d", i+1)
	}
}
