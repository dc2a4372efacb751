package jwt_test

import (
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// The set is everybody's: the trace of the one who started the fetch does not see
// it.
func TestJWKSIsNotTraced(t *testing.T) {
	t.Parallel()
	s := serve(edSet(1))
	j := newJWKS(t, rttest.Func(func(req *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GetConn != nil {
			trace.GetConn("")
		}
		return s.RoundTrip(req)
	}), jwt.JWKSConfig{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { t.Error("traced") }})
	keys, err := j.Keys(ctx, "k1", jwt.EdDSA)
	require.NoError(t, err)
	require.Len(t, keys, 1)
}

func TestNewJWKS(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "issuer.example/jwks", "http://issuer.example/jwks", "https://", "file:///jwks", "https://user:password@issuer.example/", ":"} {
		_, err := jwt.NewJWKS(jwt.JWKSConfig{URL: bad})
		require.ErrorContains(t, err, "jwt: JWKSConfig.URL")
		require.NotContains(t, err.Error(), "password")
	}
	_, err := jwt.NewJWKS(jwt.JWKSConfig{URL: "x", Refresh: -1, MaxStale: -1, MinInterval: -1, Timeout: -1})
	for _, part := range []string{"URL", "Refresh", "MaxStale", "MinInterval", "Timeout"} {
		require.ErrorContains(t, err, part)
	}
	_, err = jwt.NewJWKS(jwt.JWKSConfig{URL: "https://issuer.example/", Refresh: 2 * time.Hour, MaxStale: time.Hour})
	require.ErrorContains(t, err, "MaxStale is 1h0m0s")
}
