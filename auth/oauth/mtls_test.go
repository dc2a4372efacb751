package oauth_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/retry"
)

// TestClientCertificate has a server that takes no connection without one.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{ClientID: "client"})
	var peers int
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peers = len(r.TLS.PeerCertificates)
		server.ServeHTTP(w, r)
	}))
	web.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	web.StartTLS()
	defer web.Close()
	transport := web.Client().Transport.(*http.Transport)
	c := oauth.Config{
		Endpoints: oauth.Endpoints{Token: web.URL + "/token"}, ClientID: "client", Auth: oauth.TLSClientAuth(),
		Transport: transport, Retry: retry.Config{MaxAttempts: -1},
	}
	_, err := credentials(t, newClient(t, c)).Token(t.Context())
	require.Equal(t, auth.Transient, tokenError(t, err).Kind)
	require.Empty(t, server.Requests())
	transport = transport.Clone()
	transport.TLSClientConfig.Certificates = web.TLS.Certificates
	c.Transport = transport
	_, err = credentials(t, newClient(t, c)).Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, peers)
	require.Equal(t, "client", server.Requests()[0].Form.Get("client_id"))
}
