package retry_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// What net/http says of real servers that nobody should talk to again: nothing
// was sent to them, and still not even a GET is repeated.
func TestWrongServersAreNotRepeated(t *testing.T) {
	for name, tt := range map[string]struct {
		start     func(*httptest.Server)
		otherHost bool
	}{
		"unknown authority": {start: (*httptest.Server).StartTLS},
		"another host":      {start: (*httptest.Server).StartTLS, otherHost: true},
		"no TLS there":      {start: (*httptest.Server).Start},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			tt.start(server)
			defer server.Close()
			transport := &http.Transport{TLSClientConfig: &tls.Config{}}
			if tt.otherHost {
				transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
				transport.TLSClientConfig.ServerName = "other.example.org"
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				calls := 0
				req := newRequest(t, method, strings.NewReader("payload"))
				req.URL.Scheme, req.URL.Host = "https", server.Listener.Addr().String()
				_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rttest.Func(func(req *http.Request) (*http.Response, error) {
					calls++
					return transport.RoundTrip(req)
				}), req)
				require.Error(t, err)
				require.Equal(t, 1, calls, "%s: %v", method, err)
			}
		})
	}
}
