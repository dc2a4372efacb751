package ratelimit_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

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
		held, err := l.Acquire(t.Context(), "key")
		require.NoError(t, err)
		go func() { _ = l.Do(t.Context(), "key", func(context.Context) error { return nil }) }()
		synctest.Wait()
		held.Release(throttledFor(time.Minute))
		require.Equal(t, `level=DEBUG msg="waiting for the rate limit" key=https://api.example.com for=1s
level=INFO msg="held by the server" key=https://api.example.com status=429 for=30s
level=WARN msg="refused by the rate limit" key=https://api.example.com wait=1s reason="longer than may be waited"
level=DEBUG msg="waiting for the rate limit" key=key for=1s
level=INFO msg="held by the server" key=key status=0 for=1m0s
level=DEBUG msg="waiting for longer than planned" key=key waiting=1 refused=0 next=1m0s
`, buf.String())
	})
	require.NotNil(t, ratelimit.LogHooks(nil).Wait)
}
