package httpx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	httpx.AddedCredentials(t.Context()) // nobody asks
	ctx, outer := httpx.WatchCredentials(t.Context())
	_, other := httpx.WatchCredentials(t.Context())
	ctx, inner := httpx.WatchCredentials(ctx)
	httpx.AddedCredentials(httpx.Aside(ctx))
	require.False(t, outer.Load(), "a token is fetched with credentials of its own")
	httpx.AddedCredentials(ctx)
	require.True(t, outer.Load())
	require.True(t, inner.Load())
	require.False(t, other.Load())
}
