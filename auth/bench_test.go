package auth_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// atOnce is a transport that answers at once.
func atOnce() http.RoundTripper {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	return rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
}

func benchRequest(t testing.TB) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/v1/things?page=2", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bench/1.0")
	return req
}

func cachedBearer(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	return newGuard(t, auth.Config{Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: &counter{life: 24 * time.Hour}}))}).Wrap(next)
}

// subjects are the middleware and its peer, each with a token that is good.
func subjects(t testing.TB) []struct {
	name string
	rt   http.RoundTripper
} {
	t.Helper()
	token := &oauth2.Token{AccessToken: "token-1", Expiry: time.Now().Add(24 * time.Hour)}
	return []struct {
		name string
		rt   http.RoundTripper
	}{
		{"auth", cachedBearer(t, atOnce())},
		{"x-oauth2", &oauth2.Transport{Source: oauth2.ReuseTokenSource(token, nil), Base: atOnce()}},
	}
}

// BenchmarkBearer sends a request with a cached token.
func BenchmarkBearer(b *testing.B) {
	req := benchRequest(b)
	for _, s := range subjects(b) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.rt.RoundTrip(req)
			}
		})
		b.Run(s.name+", parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = s.rt.RoundTrip(req)
				}
			})
		})
	}
}

// BenchmarkBearerInterleaved takes turns, so that whatever else the machine does
// disturbs both, and reports the ratio of their times.
func BenchmarkBearerInterleaved(b *testing.B) {
	for name, goroutines := range map[string]int{"serial": 1, "parallel": 8} {
		b.Run(name, func(b *testing.B) {
			req := benchRequest(b)
			all := subjects(b)
			took := make([]time.Duration, len(all))
			for b.Loop() {
				for i, s := range all {
					begin := time.Now()
					var wg sync.WaitGroup
					for range goroutines {
						wg.Go(func() {
							for range 1000 {
								_, _ = s.rt.RoundTrip(req)
							}
						})
					}
					wg.Wait()
					took[i] += time.Since(begin)
				}
			}
			b.ReportMetric(float64(took[0])/float64(took[1]), "auth/x-oauth2")
		})
	}
}

func BenchmarkCache(b *testing.B) {
	cache := newCache(b, auth.CacheConfig{Source: &counter{life: 24 * time.Hour}})
	ctx := b.Context()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = cache.Token(ctx)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = cache.Token(ctx)
			}
		})
	})
}

func TestAllocations(t *testing.T) {
	req := benchRequest(t)
	rt := cachedBearer(t, atOnce())
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(req) }), 3.0)
	cache := newCache(t, auth.CacheConfig{Source: &counter{life: 24 * time.Hour}})
	rt = newGuard(t, auth.Config{Authorizer: auth.Bearer(cache), Origins: []string{"https://api.example.com"}}).Wrap(atOnce())
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(req) }), 3.0, "the way back costs none")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = cache.Token(t.Context()) }))
}
