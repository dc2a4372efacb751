package providers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	admit := providers.Admit(2)
	start := time.Unix(1000, 0)
	steps := []struct {
		at         time.Duration
		ok         bool
		remaining  string
		retryAfter string
	}{
		{0, true, "1", ""},
		{500 * time.Millisecond, true, "0", ""},
		{999 * time.Millisecond, false, "0", "1"},
		{999 * time.Millisecond, false, "0", "1"},
		{time.Second, true, "1", ""},
		{5 * time.Second, true, "1", ""},
	}
	for _, s := range steps {
		h := http.Header{}
		require.Equal(t, s.ok, admit(start.Add(s.at), h), "at %v", s.at)
		require.Equal(t, "2", h.Get("X-RateLimit-Limit"))
		require.Equal(t, "1", h.Get("X-RateLimit-Reset"))
		require.Equal(t, s.remaining, h.Get("X-RateLimit-Remaining"), "at %v", s.at)
		require.Equal(t, s.retryAfter, h.Get("Retry-After"), "at %v", s.at)
	}
}

func TestNoQuotaSendsNoHeaders(t *testing.T) {
	t.Parallel()
	admit := providers.Admit(0)
	h := http.Header{}
	for range 100 {
		require.True(t, admit(time.Unix(1000, 0), h))
	}
	require.Empty(t, h)
}
