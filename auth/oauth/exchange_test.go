package oauth_test

import (
	"context"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

func TestExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		client := newClient(t, configOf(server))
		fixed := func(s string) auth.Source {
			return auth.SourceFunc(func(context.Context) (*auth.Token, error) { return &auth.Token{AccessToken: auth.NewSecret(s)}, nil })
		}
		source, err := client.Exchange(oauth.ExchangeConfig{
			Params:  oauth.Params{Audiences: []string{"a", "b"}},
			Subject: fixed("s"), SubjectType: oauth.TypeJWT, Actor: fixed("act"), RequestedType: oauth.TypeAccessToken,
		})
		require.NoError(t, err)
		token, err := source.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, `"`+oauth.TypeAccessToken+`"`, token.Extra["issued_token_type"].Reveal())
		require.Equal(t, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {"client"}, "audience": {"a", "b"},
			"subject_token": {"s"}, "subject_token_type": {oauth.TypeJWT}, "actor_token": {"act"}, "actor_token_type": {oauth.TypeAccessToken},
			"requested_token_type": {oauth.TypeAccessToken},
		}, server.Requests()[0].Form)
		server.Fail(authtest.Fault{Status: 200, Body: `{"access_token":"id","token_type":"N_A"}`})
		token, err = source.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "N_A", token.Type)

		want := &auth.TokenError{Kind: auth.Permanent, Code: "mine"}
		source, err = client.Exchange(oauth.ExchangeConfig{Subject: auth.SourceFunc(func(context.Context) (*auth.Token, error) { return nil, want })})
		require.NoError(t, err)
		_, err = source.Token(t.Context())
		require.ErrorIs(t, err, want)
		require.Len(t, server.Requests(), 2)
	})
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{ClientID: "client", ClientSecret: "s"})
		defer server.Close()
		c := configOf(server)
		require.Equal(t, "invalid_client", tokenError(t, newClient(t, c).Revoke(t.Context(), auth.NewSecret("t"), "")).Code)
		c.Auth = oauth.SecretBasic(auth.NewSecret("s"))
		client := newClient(t, c)
		token := server.Login()
		require.NoError(t, client.Revoke(t.Context(), auth.NewSecret(token), "refresh_token"))
		require.NoError(t, client.Revoke(t.Context(), auth.NewSecret("nobody knows it"), ""))
		require.Error(t, client.Revoke(t.Context(), auth.Secret{}, ""))
		r, err := client.Refresher(oauth.RefreshConfig{Key: "k"})
		require.NoError(t, err)
		defer r.Close()
		require.NoError(t, r.Login(t.Context(), &auth.Token{AccessToken: auth.NewSecret("old"), RefreshToken: auth.NewSecret(token), Expiry: time.Now()}))
		_, err = r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrReauthRequired)
	})
}
