//go:build !race

package ratelimit_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// Learning from an answer as GitHub gives it, that changes no plan, allocates
// nothing. With the race detector, a sync.Pool forgets at random.
func TestLearningAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		resp, err := gitHub(newRequest(t, "api.example.com"))
		require.NoError(t, err)
		resp.Body = http.NoBody
		rt := l.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil }))
		req := newRequest(t, "api.example.com")
		call := func() { _, _ = rt.RoundTrip(req) }
		for range 10 {
			call()
		}
		require.Zero(t, testing.AllocsPerRun(1000, call))
		require.NotNil(t, l.Snapshot()[1].Server)
	})
}
