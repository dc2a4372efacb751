package httpx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

func TestLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"} {
		require.True(t, httpx.Loopback(host), host)
	}
	for _, host := range []string{"", "localhost.", "localhost.example", "0.0.0.0", "127.1", "2130706433", "10.0.0.1", "::", "fe80::1%lo"} {
		require.False(t, httpx.Loopback(host), host)
	}
}
