//go:build !race

package holdfast_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// The limiter of a stack learns from each answer without allocating, also where
// what is left changes with each of them. The race detector makes sync.Pool, which
// learning needs, forget at random.
func TestStackAllocationsWhileLearning(t *testing.T) {
	const limit = 1_000_000_000
	var answers []http.Header
	now := time.Now()
	for i := range 1000 {
		answers = append(answers, http.Header{
			"Date":                  {now.UTC().Format(http.TimeFormat)},
			"Content-Type":          {"application/json"},
			"X-Ratelimit-Limit":     {strconv.Itoa(limit)},
			"X-Ratelimit-Remaining": {strconv.Itoa(limit - i)},
			"X-Ratelimit-Used":      {strconv.Itoa(i)},
			"X-Ratelimit-Reset":     {strconv.FormatInt(now.Add(time.Hour).Unix(), 10)},
			"X-Ratelimit-Resource":  {"core"},
		})
	}
	resp, body, n := &http.Response{StatusCode: http.StatusOK}, rttest.NewBody(""), 0
	next := rttest.Func(func(*http.Request) (*http.Response, error) {
		resp.Header, resp.Body = answers[n%len(answers)], body
		n++
		return resp, nil
	})
	rt := stack(t, retry.Config{}, ratelimit.Config{Rate: 1e9, Burst: 1 << 30}, breaker.Config{})(next)
	req := newRequest(t, http.MethodGet)
	call := func() {
		got, _ := rt.RoundTrip(req)
		_ = got.Body.Close()
	}
	for range 20 { // the first answers make what is kept
		call()
	}
	require.LessOrEqual(t, testing.AllocsPerRun(500, call), 1.0)
}
