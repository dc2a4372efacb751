package retry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// BenchmarkAttemptTimeout stands beside the context alone, which is not even
// on a request, and beside what a program would write, which cuts the body.
func BenchmarkAttemptTimeout(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK}
	var next http.RoundTripper = rttest.Func(func(*http.Request) (*http.Response, error) {
		resp.Body = http.NoBody
		return resp, nil
	})
	next = retry.AttemptTimeout(0)(next) // so that the compiler does not see through it
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	req := newRequest(b, http.MethodGet, nil).WithContext(ctx)
	b.Run("context.WithTimeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, cancel := context.WithTimeout(ctx, time.Minute)
			cancel()
		}
	})
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(req.Context(), time.Minute)
			_, _ = next.RoundTrip(req.WithContext(ctx))
			cancel()
		}
	})
	for name, limit := range map[string]time.Duration{"off": 0, "on": time.Minute} {
		rt := retry.AttemptTimeout(limit)(next)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = rt.RoundTrip(req)
			}
		})
	}
}
