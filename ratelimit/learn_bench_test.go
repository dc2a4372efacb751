package ratelimit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// What an answer costs that has the fields of GitHub, one that has as many
// fields and no word about limits, and one of which nothing is to be learnt.
func BenchmarkLearning(b *testing.B) {
	speaks, err := gitHub(newRequest(b, "api.example.com"))
	require.NoError(b, err)
	speaks.Body = http.NoBody
	silent := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	for name, values := range speaks.Header {
		if len(silent.Header) < 8 && (len(name) < 11 || name[:11] != "X-Ratelimit") {
			silent.Header[name] = values
		}
	}
	for _, bench := range []struct {
		name   string
		resp   *http.Response
		config ratelimit.Config
	}{
		{"quotas", speaks, ratelimit.Config{}},
		{"silence", silent, ratelimit.Config{}},
		{"ignored", speaks, ratelimit.Config{IgnoreQuotas: true}},
	} {
		rt := newLimiter(b, bench.config).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return bench.resp, nil }))
		req := newRequest(b, "api.example.com")
		speaks.Header.Set("X-Ratelimit-Remaining", "1000000000000")
		speaks.Header.Set("X-Ratelimit-Limit", "1000000000000")
		speaks.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = rt.RoundTrip(req)
			}
		})
	}
}
