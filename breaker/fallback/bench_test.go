package fallback_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// answering returns a transport that always gives the same response, with a
// body of its own.
func answering(status int, body string) http.RoundTripper {
	header := http.Header{"Content-Type": {"text/plain"}, "Etag": {`"1"`}}
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: header, ContentLength: int64(len(body)),
			Body: io.NopCloser(strings.NewReader(body)), Request: req,
		}, nil
	})
}

// A call that succeeds costs nothing where nothing is remembered.
func TestAllocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newFallback(t, fallback.Config{
		Check:   func(*http.Response) error { return nil },
		Answers: []fallback.Answer{fallback.To(mirrorURL, fallback.ToConfig{}), static("")},
	}).Wrap(next)
	for _, req := range []*http.Request{get(t), newRequest(t, http.MethodPost, thingsURL, "")} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(req) }))
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	body := strings.Repeat("x", 2000)
	lastGood := fallback.LastGood(fallback.LastGoodConfig{})
	for name, bb := range map[string]struct {
		status  int
		answers []fallback.Answer
	}{
		"good":             {200, []fallback.Answer{static("")}},
		"good, remembered": {200, []fallback.Answer{lastGood}},
		"failed, static":   {503, []fallback.Answer{static("degraded")}},
		"failed, to":       {503, []fallback.Answer{fallback.To(mirrorURL, fallback.ToConfig{Transport: answering(200, body)})}},
		"failed, memory":   {503, []fallback.Answer{lastGood}},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFallback(b, fallback.Config{Answers: bb.answers})
			req := withHeader(get(b), "Authorization", "Bearer token", "Accept", "text/plain")
			send(b, f.Wrap(answering(200, body)), req)
			rt := f.Wrap(answering(bb.status, body))
			roundTrip := func(buf []byte) {
				resp, err := rt.RoundTrip(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Error(resp, err)
					return
				}
				for err == nil {
					_, err = resp.Body.Read(buf)
				}
				_ = resp.Body.Close()
			}
			b.Run("serial", func(b *testing.B) {
				b.ReportAllocs()
				buf := make([]byte, 4096)
				for b.Loop() {
					roundTrip(buf)
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					buf := make([]byte, 4096)
					for pb.Next() {
						roundTrip(buf)
					}
				})
			})
		})
	}
}
