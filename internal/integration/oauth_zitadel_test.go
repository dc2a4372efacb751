package integration_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// TestZitadel logs in on another device at the example provider of
// github.com/zitadel/oidc, and exchanges the token. All in one test, because the
// example keeps its clients in a variable.
func TestZitadel(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	issuer := web.URL
	storage.RegisterClients(storage.DeviceClient("device", "secret"), storage.WebClient("web", "secret", "https://app.example/callback"))
	users := storage.NewUserStore(issuer)
	provider := storage.NewStorage(users)
	mux.Handle("/", exampleop.SetupServer(issuer, provider, nil, false))

	m, err := oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: issuer, OpenID: true})
	require.NoError(t, err)
	require.Contains(t, m.ChallengeMethods, "S256")
	require.NotEmpty(t, m.JWKS)
	_, err = oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: issuer + "/", OpenID: true})
	require.ErrorIs(t, err, oauth.ErrIssuer)

	client := func(id, secret string) *oauth.Client {
		c, err := oauth.New(oauth.Config{Endpoints: m.Endpoints, ClientID: id, Auth: oauth.SecretBasic(auth.NewSecret(secret))})
		require.NoError(t, err)
		return c
	}
	credentials, err := client("sid1", "verysecret").ClientCredentials(oauth.Params{})
	require.NoError(t, err)
	_, err = credentials.Token(t.Context())
	require.NoError(t, err)

	login, err := client("device", "secret").StartDevice(t.Context(), oauth.Params{Scopes: []string{"openid", "profile"}})
	require.NoError(t, err)
	user := users.GetUserByUsername("test-user@127.0.0.1")
	if user == nil {
		user = users.GetUserByUsername("test-user@" + web.Listener.Addr().String())
	}
	require.NotNil(t, user)
	require.NoError(t, provider.CompleteDeviceAuthorization(t.Context(), login.UserCode, user.ID))
	token, err := login.Wait(t.Context())
	require.NoError(t, err)

	exchange, err := client("web", "secret").Exchange(oauth.ExchangeConfig{
		Params:        oauth.Params{Scopes: []string{"openid"}},
		Subject:       auth.SourceFunc(func(context.Context) (*auth.Token, error) { return token, nil }),
		RequestedType: oauth.TypeAccessToken,
	})
	require.NoError(t, err)
	exchanged, err := exchange.Token(t.Context())
	require.NoError(t, err)
	require.False(t, exchanged.AccessToken.Equal(token.AccessToken))
	require.Equal(t, `"`+oauth.TypeAccessToken+`"`, exchanged.Extra["issued_token_type"].Reveal())
}
