package retry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

var hedgeBenchmarks = map[string]struct {
	method string
	config retry.HedgeConfig
}{
	"not hedgeable": {http.MethodPost, retry.HedgeConfig{Delay: time.Hour}},
	"fixed":         {http.MethodGet, retry.HedgeConfig{Delay: time.Hour}},
	"percentile":    {http.MethodGet, retry.HedgeConfig{}},
}

// The answers come at once: this is what it costs that a copy could have been
// sent. With a percentile of a few microseconds one sometimes is.
func BenchmarkHedge(b *testing.B) {
	for name, bb := range hedgeBenchmarks {
		b.Run(name, func(b *testing.B) {
			rt, req := hedgeBenchmark(b, bb.config), newRequest(b, bb.method, nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rt.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHedgeParallel(b *testing.B) {
	for name, bb := range hedgeBenchmarks {
		b.Run(name, func(b *testing.B) {
			rt, req := hedgeBenchmark(b, bb.config), newRequest(b, bb.method, nil)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := rt.RoundTrip(req); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func hedgeBenchmark(b *testing.B, c retry.HedgeConfig) http.RoundTripper {
	b.Helper()
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	return newHedge(b, c).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return answer, nil }))
}
