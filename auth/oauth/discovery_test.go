package oauth_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	for _, openID := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := authtest.NewServer(authtest.ServerConfig{})
			defer server.Close()
			m, err := oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: server.Issuer(), OpenID: openID, Transport: server.Transport()})
			require.NoError(t, err)
			require.Equal(t, configOf(server).Endpoints, m.Endpoints)
			require.Equal(t, m.Endpoints, m.MTLS)
			require.Equal(t, []string{"S256"}, m.ChallengeMethods)
			c := configOf(server)
			c.Endpoints = m.Endpoints
			_, err = credentials(t, newClient(t, c)).Token(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestWhereMetadataIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		issuer string
		openID bool
		want   string
	}{
		// RFC 8414, sections 3 and 5.
		{"https://example.com", false, "https://example.com/.well-known/oauth-authorization-server"},
		{"https://example.com/issuer1", false, "https://example.com/.well-known/oauth-authorization-server/issuer1"},
		{"https://example.com/issuer1", true, "https://example.com/issuer1/.well-known/openid-configuration"},
		{"https://example.com/", false, "https://example.com/.well-known/oauth-authorization-server"},
		{"https://example.com/a%2Fb/", true, "https://example.com/a%2Fb/.well-known/openid-configuration"},
	} {
		script := rttest.NewScript(rttest.Step{Status: http.StatusNotFound})
		_, err := oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: test.issuer, OpenID: test.openID, Transport: script})
		require.Equal(t, auth.Permanent, tokenError(t, err).Kind)
		require.Equal(t, test.want, script.Calls()[0].Request.URL.String())
	}
	for _, c := range []oauth.DiscoverConfig{
		{},
		{Issuer: "http://as.example"},
		{Issuer: "https://as.example?x=1"},
		{Issuer: "https://as.example?"},
		{Issuer: "https://as.example#x"},
		{Issuer: "https://as.example#"},
		{Issuer: "https://u:p@as.example"},
		{Issuer: "as.example"},
		{Issuer: "https://as.example", Timeout: -1},
	} {
		c.Transport = nowhere{t}
		_, err := oauth.Discover(t.Context(), c)
		require.Error(t, err)
	}
}

func TestMetadataIsChecked(t *testing.T) {
	t.Parallel()
	good := map[string]any{
		"issuer": "https://as.example", "token_endpoint": "https://as.example/t", "jwks_uri": "https://keys.example/",
		"grant_types_supported": []any{"a", nil, "b"}, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"ES256"}, "scopes_supported": []string{"s"},
		"mtls_endpoint_aliases": map[string]any{"token_endpoint": "https://mtls.as.example/t"}, "revocation_endpoint": "https://as.example/r",
	}
	discover := func(t *testing.T, change map[string]any, step rttest.Step) (*oauth.Metadata, error) {
		t.Helper()
		members := maps.Clone(good)
		maps.Copy(members, change)
		body, err := json.Marshal(members)
		require.NoError(t, err)
		if step.Body == "" {
			step.Body = string(body)
		}
		step.Header = append(step.Header, "Content-Type", "application/json")
		return oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: "https://as.example", Transport: rttest.NewScript(step)})
	}
	m, err := discover(t, nil, rttest.Step{})
	require.NoError(t, err)
	endpoints := oauth.Endpoints{Issuer: "https://as.example", Token: "https://as.example/t", Revocation: "https://as.example/r"}
	mtls := endpoints
	mtls.Token = "https://mtls.as.example/t"
	require.Equal(t, &oauth.Metadata{
		Endpoints: endpoints, MTLS: mtls, JWKS: "https://keys.example/", Grants: []string{"a", "b"}, Scopes: []string{"s"},
		AuthMethods: []string{"private_key_jwt"}, AuthAlgorithms: []string{"ES256"},
	}, m)
	for name, change := range map[string]map[string]any{
		"another issuer":      {"issuer": "https://evil.example"},
		"issuer with a slash": {"issuer": "https://as.example/"},
		"no issuer":           {"issuer": nil},
		"plain HTTP":          {"token_endpoint": "http://as.example/t"},
		"number":              {"token_endpoint": 7},
		"userinfo":            {"device_authorization_endpoint": "https://u:p@as.example/"},
		"keys by plain HTTP":  {"jwks_uri": "http://as.example/"},
		"alias by plain HTTP": {"mtls_endpoint_aliases": map[string]any{"token_endpoint": "http://as.example/t"}},
		"aliases a list":      {"mtls_endpoint_aliases": []string{}},
	} {
		_, err := discover(t, change, rttest.Step{})
		require.Equal(t, auth.Protocol, tokenError(t, err).Kind, name)
	}
	for _, step := range []rttest.Step{
		{Status: http.StatusFound, Header: []string{"Location", "https://as.example/"}}, {Body: "x", Endless: true}, {Body: "[]"}, {Body: "<html>"},
	} {
		_, err := discover(t, nil, step)
		require.Equal(t, auth.Protocol, tokenError(t, err).Kind)
	}
	_, err = discover(t, map[string]any{"issuer": "https://evil.example"}, rttest.Step{})
	require.ErrorIs(t, err, oauth.ErrIssuer)
}
