package ratelimit_test

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		logger := rttest.NewLogger(&buf)
		l := newLimiter(t, ratelimit.Config{Rate: 1, Hooks: ratelimit.LogHooks(logger)})
		send(t, l, rttest.NewScript(rttest.Step{}, rttest.Step{Status: 429, Header: []string{"Retry-After", "30"}}), "api.example.com", 2)
		never := newLimiter(t, ratelimit.Config{Rate: 1, MaxWait: -1, Hooks: ratelimit.LogHooks(logger)})
		send(t, never, rttest.NewScript(), "api.example.com", 1)
		_, err := never.Wrap(rttest.NewScript()).RoundTrip(newRequest(t, "api.example.com"))
		require.Error(t, err)
		require.Equal(t, `level=DEBUG msg="waiting for the rate limit" key=https://api.example.com for=1s
level=INFO msg="held by the server" key=https://api.example.com status=429 for=30s
level=WARN msg="refused by the rate limit" key=https://api.example.com wait=1s reason="longer than may be waited"
`, buf.String())
	})
	require.NotNil(t, ratelimit.LogHooks(nil).Wait)
}
