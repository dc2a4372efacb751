package breaker_test

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// prompt answers with resp and nothing else.
func prompt(resp *http.Response) http.RoundTripper {
	return rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
}

func TestHappyPathAllocations(t *testing.T) {
	body := rttest.NewBody("")
	for name, c := range map[string]breaker.Config{
		"default":    {},
		"slow calls": {SlowCall: time.Hour},
		"Trip":       {Trip: func(breaker.Counts) bool { return false }},
	} {
		for after, failures := range map[string]int{"healthy": 0, "after a failure": 1} {
			b := newBreaker(t, c)
			for range failures {
				require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
			}
			resp := &http.Response{StatusCode: http.StatusOK}
			rt := b.Wrap(prompt(resp))
			req := newRequest(t, host)
			for what, tt := range map[string]struct {
				body io.ReadCloser
				want float64
			}{
				"without a body":              {http.NoBody, 0},
				"with a body: to see its end": {body, 1},
			} {
				got := testing.AllocsPerRun(100, func() {
					resp.Body = tt.body
					got, _ := rt.RoundTrip(req)
					_ = got.Body.Close()
				})
				require.Equal(t, tt.want, got, "%s, %s, %s", name, after, what)
			}
		}
	}
}

// While one circuit is open, to ask about another costs what it did before.
func TestReadyAllocations(t *testing.T) {
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 2, OpenTimeout: time.Hour})
	trip(t, b, "dead.example.com")
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
	for _, name := range []string{host, "unknown.example.com"} {
		req := newRequest(t, name)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = b.Ready(req) }), name)
	}
}

// BenchmarkCall stands beside gobreaker's own two ways with the same rules: a
// ratio over a window of ten buckets.
func BenchmarkCall(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	req := newRequest(b, host)
	settings := gobreaker.Settings{Interval: breaker.DefaultWindow, BucketPeriod: breaker.DefaultWindow / 10}
	execute := gobreaker.NewCircuitBreaker[*http.Response](settings)
	twoStep := gobreaker.NewTwoStepCircuitBreaker[*http.Response](settings)
	next := prompt(resp)
	slow := newBreaker(b, breaker.Config{SlowCall: time.Second}).Wrap(next)
	rt := newBreaker(b, breaker.Config{}).Wrap(next)
	sick := newBreaker(b, breaker.Config{ConsecutiveFailures: 2})
	_ = call(sick.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), req)
	for _, bench := range []struct {
		name string
		call func() error
	}{
		{"bare", func() error { _, err := next.RoundTrip(req); return err }},
		{"gobreaker Execute", func() error {
			_, err := execute.Execute(func() (*http.Response, error) { return next.RoundTrip(req) })
			return err
		}},
		{"gobreaker two-step", func() error {
			done, err := twoStep.Allow()
			if err == nil {
				_, err = next.RoundTrip(req)
				done(err)
			}
			return err
		}},
		{"holdfast", func() error { _, err := rt.RoundTrip(req); return err }},
		{"holdfast slow calls", func() error { _, err := slow.RoundTrip(req); return err }},
		{"holdfast after a failure", func() func() error {
			rt := sick.Wrap(next)
			return func() error { _, err := rt.RoundTrip(req); return err }
		}()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bench.name+" parallel", func(b *testing.B) { inParallel(b, 0, bench.call) })
		b.Run(bench.name+" among work", func(b *testing.B) { inParallel(b, 300, bench.call) })
	}
}

// inParallel calls on all cores, which without effort do nothing but take cache
// lines from each other. An effort of 300 leaves about a quarter of a
// microsecond between two calls, still much less than a call takes.
func inParallel(b *testing.B, effort int, call func() error) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := 1
		for pb.Next() {
			for i := range effort {
				x = x*31 + i
			}
			if err := call(); err != nil {
				b.Error(err)
			}
		}
		runtime.KeepAlive(x)
	})
}

// BenchmarkBytesPerKey fills a breaker, and beside it a limiter, with a million
// keys.
func BenchmarkBytesPerKey(b *testing.B) {
	f := newFlood(b, 1_000_000)
	for name := range f.ways {
		b.Run(name, func(b *testing.B) {
			bytes := 0.0
			for b.Loop() {
				bytes = f.bytesPerKey(name)
			}
			b.ReportMetric(bytes, "B/key")
		})
	}
}

// flood is very many keys. Their strings are the caller's, and not counted.
type flood struct {
	req  *http.Request // whose ContentLength says which key it has
	keys int
	ways map[string]func() http.RoundTripper
}

func newFlood(t testing.TB, keys int) *flood {
	t.Helper()
	names := make([]string, keys)
	for i := range names {
		names[i] = "customer-" + strconv.Itoa(i)
	}
	key := func(req *http.Request) string { return names[req.ContentLength] }
	good := prompt(&http.Response{StatusCode: http.StatusOK, Body: http.NoBody})
	bad := prompt(&http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody})
	breakers := func(next http.RoundTripper) http.RoundTripper {
		return newBreaker(t, breaker.Config{MaxKeys: keys, Key: key, ConsecutiveFailures: 2}).Wrap(next)
	}
	limiters := func(limit rate.Limit) http.RoundTripper {
		l, err := ratelimit.New(ratelimit.Config{MaxKeys: keys, Key: key, Rate: limit, IdleTimeout: -1})
		require.NoError(t, err)
		return l.Wrap(good)
	}
	return &flood{req: newRequest(t, host), keys: keys, ways: map[string]func() http.RoundTripper{
		"breaker":                   func() http.RoundTripper { return breakers(good) },
		"breaker with one failure":  func() http.RoundTripper { return breakers(bad) },
		"limiter":                   func() http.RoundTripper { return limiters(100) },
		"limiter without rate":      func() http.RoundTripper { return limiters(0) },
		"breaker and limiter":       func() http.RoundTripper { return both{breakers(good), limiters(100)} },
		"breaker, limiter, no rate": func() http.RoundTripper { return both{breakers(good), limiters(0)} },
	}}
}

// bytesPerKey sends one request for each key and returns what is kept of it.
func (f *flood) bytesPerKey(way string) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rt := f.ways[way]()
	for i := range f.keys {
		f.req.ContentLength = int64(i)
		_, _ = rt.RoundTrip(f.req)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(rt)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(f.keys)
}

// both calls one after the other.
type both [2]http.RoundTripper

func (b both) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = b[0].RoundTrip(req)
	return b[1].RoundTrip(req)
}
