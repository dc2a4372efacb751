package webhook_test

import (
	"crypto/tls"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a server makes of a request that came by each version of HTTP: the names of
// HTTP/2 are in lower case on the wire, and a body may have no announced length.
// What comes in a trailer, behind the body, is no header.
func TestAttackVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	for version, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			var seen string
			h := receiver(t, nil).Handler(ok)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = r.Proto
				h.ServeHTTP(w, r)
			}))
			s.EnableHTTP2 = http2
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
			s.StartTLS()
			defer s.Close()

			signature := "sha256=" + hex.EncodeToString(mac256("hello"))
			for name, test := range map[string]struct {
				header, trailer http.Header
				want            int
			}{
				"header":           {http.Header{"x-hub-signature-256": {signature}, "X-GitHub-Delivery": {"d1"}}, nil, http.StatusNoContent},
				"trailer":          {http.Header{}, http.Header{"X-Hub-Signature-256": {signature}}, http.StatusUnauthorized},
				"both":             {http.Header{"X-Hub-Signature-256": {"sha256=00"}}, http.Header{"X-Hub-Signature-256": {signature}}, http.StatusUnauthorized},
				"good, bad behind": {http.Header{"X-Hub-Signature-256": {signature}}, http.Header{"X-Hub-Signature-256": {"sha256=00"}}, http.StatusNoContent},
			} {
				// A reader whose length nobody knows is sent in chunks.
				body := io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo"))
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
				require.NoError(t, err)
				req.Header, req.Trailer = test.header, test.trailer
				resp, err := s.Client().Do(req)
				require.NoError(t, err, name)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, test.want, resp.StatusCode, name)
				require.Equal(t, version, seen)
			}
		})
	}
}
