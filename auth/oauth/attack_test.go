package oauth_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// The time between two polls is the server's to choose, but not so that the
// client does nothing else.
func TestDeviceIsNotPolledWithoutRest(t *testing.T) {
	t.Parallel()
	for _, interval := range []string{"1e-9", "0.001", `"0.2"`} {
		synctest.Test(t, func(t *testing.T) {
			polls := 0
			c := oauth.Config{
				Endpoints: oauth.Endpoints{Token: "https://as.example/t", Device: "https://as.example/d"}, ClientID: "c", Auth: oauth.Public(),
				Transport: rttest.Func(func(req *http.Request) (*http.Response, error) {
					_ = req.Body.Close()
					status, body := http.StatusBadRequest, `{"error":"authorization_pending"}`
					if req.URL.Path == "/d" {
						status = http.StatusOK
						body = `{"device_code":"d","user_code":"u","verification_uri":"https://as.example/v","expires_in":30,"interval":` + interval + `}`
					} else if polls++; polls > 100 {
						status, body = http.StatusBadRequest, `{"error":"access_denied"}`
					}
					return &http.Response{
						StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
						Body: io.NopCloser(strings.NewReader(body)), Request: req,
					}, nil
				}),
			}
			login, err := newClient(t, c).StartDevice(t.Context(), oauth.Params{})
			require.NoError(t, err)
			start := time.Now()
			_, err = login.Wait(t.Context())
			require.Error(t, err)
			require.Equal(t, 30*time.Second, time.Since(start))
			require.LessOrEqual(t, polls, 30)
		})
	}
}

// Whether the refresh or its caller is the first to see the end of the flight,
// the error is the same.
func TestEndOfARefreshIsOneError(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			c := oauth.Config{
				Endpoints: oauth.Endpoints{Token: "https://as.example/t"}, ClientID: "c", Auth: oauth.Public(), Timeout: time.Hour,
				Transport: rttest.Func(func(req *http.Request) (*http.Response, error) {
					_ = req.Body.Close()
					<-req.Context().Done()
					return nil, req.Context().Err()
				}),
			}
			for _, closes := range []bool{false, true} {
				r, err := newClient(t, c).Refresher(oauth.RefreshConfig{Key: "k", Timeout: time.Minute})
				require.NoError(t, err)
				require.NoError(t, r.Login(t.Context(), &auth.Token{
					AccessToken: auth.NewSecret("old"), RefreshToken: auth.NewSecret("refresh"), Expiry: time.Now().Add(-time.Hour),
				}))
				if closes {
					time.AfterFunc(time.Second, func() { _ = r.Close() })
				}
				_, err = r.Token(t.Context())
				if closes {
					require.ErrorIs(t, err, auth.ErrClosed)
				} else {
					require.Equal(t, auth.Transient, tokenError(t, err).Kind, "%v", err)
				}
				require.NoError(t, r.Close())
				synctest.Wait()
			}
		})
	}
}

// Connections of others, which send nothing or half a request, neither end a
// login nor keep it from its end.
func TestLoopbackAmongSilentConnections(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	var conns []net.Conn
	done := make(chan struct{})
	_, err := newClient(t, configOf(server)).LoginLoopback(t.Context(), oauth.LoopbackConfig{
		Open: browser(t, server, func(back *url.URL) {
			defer close(done)
			for _, text := range []string{"", "GET / HTTP/1.1\r\nHost:"} {
				conn, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp4", back.Host)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write([]byte(text))
				conns = append(conns, conn)
			}
			get(t, back.String(), "")
		}),
	})
	require.NoError(t, err)
	<-done
	for _, conn := range conns {
		_, err := conn.Read(make([]byte, 1))
		require.Error(t, err, "nothing is left open")
		require.NoError(t, conn.Close())
	}
}
