package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// Whoever has an upgraded connection can say that it has said all, as a reverse
// proxy does, and read on.
func TestWatchHalfClosedConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		said, _ := io.ReadAll(rw)
		_, _ = conn.Write(said)
	}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	resp, err := server.Client().Transport.RoundTrip(req)
	require.NoError(t, err)
	httpx.Watch(resp, endings{new([]error)})
	conn, ok := resp.Body.(interface {
		io.ReadWriteCloser
		CloseWrite() error
	})
	require.True(t, ok)
	_, err = io.WriteString(conn, "all of it")
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	said, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "all of it", string(said))
	require.NoError(t, conn.Close())

	resp, _ = answer(t, rttest.Step{Status: http.StatusSwitchingProtocols, Body: "frames"})
	resp.Body = struct{ io.ReadWriteCloser }{resp.Body.(io.ReadWriteCloser)} // and no more
	httpx.Watch(resp, endings{new([]error)})
	require.ErrorIs(t, resp.Body.(interface{ CloseWrite() error }).CloseWrite(), http.ErrNotSupported)
	require.NoError(t, resp.Body.Close())
}
