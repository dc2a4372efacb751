package oauth_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

func TestPushedLogin(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{ClientID: "client", ClientSecret: "a secret", RequirePushed: true})
	defer server.Close()
	c := configOf(server)
	m, err := oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: server.Issuer(), Transport: server.Transport()})
	require.NoError(t, err)
	require.True(t, m.Endpoints.RequirePushed)
	c.Endpoints, c.Auth = m.Endpoints, oauth.SecretBasic(auth.NewSecret("a secret"))
	c.Endpoints.Authorization += "?tenant=7"
	client := newClient(t, c)
	config := oauth.CodeConfig{
		RedirectURI: redirectURI,
		Params:      oauth.Params{Scopes: []string{"a", "b"}, Resources: []string{"https://api.example/"}, Extra: url.Values{"prompt": {"login"}}},
	}
	_, err = client.StartCode(config)
	require.ErrorContains(t, err, "PushCode")
	login, err := client.PushCode(t.Context(), config)
	require.NoError(t, err)
	u, err := url.Parse(login.URL)
	require.NoError(t, err)
	require.Equal(t, url.Values{"tenant": {"7"}, "client_id": {"client"}, "request_uri": {u.Query().Get("request_uri")}}, u.Query(),
		"nothing else goes through the browser")
	token, err := client.FinishCode(t.Context(), login, visit(t, server, login.URL))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, token.Scopes)
	require.Equal(t, "https://api.example/", server.Requests()[0].Form.Get("resource"))

	// The reference is good for one login.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, login.URL, nil)
	require.NoError(t, err)
	resp, err := server.Transport().RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	c.Auth = oauth.SecretBasic(auth.NewSecret("another one"))
	_, err = newClient(t, c).PushCode(t.Context(), config)
	require.Equal(t, "invalid_client", tokenError(t, err).Code)
	c.Endpoints.PushedAuthorization = ""
	_, err = oauth.New(c)
	require.ErrorContains(t, err, "RequirePushed")
	c.Endpoints.RequirePushed = false
	_, err = newClient(t, c).PushCode(t.Context(), config)
	require.ErrorContains(t, err, "PushedAuthorization is empty")
}

func TestPushedAnswersAreChecked(t *testing.T) {
	t.Parallel()
	for _, answer := range []reply{
		{status: 201, body: `{}`},
		{status: 201, body: `{"request_uri":7}`},
		{status: 201, body: `{"request_uri":"a\nb","expires_in":60}`},
		{status: 204},
		{status: 201, body: `<html>`},
		{status: 201, body: `{"error":"invalid_request"}`},
	} {
		p := &provider{replies: map[string][]reply{"/par": {answer}}}
		client := p.client(t, oauth.Endpoints{Token: "https://as.example/t", Authorization: "https://as.example/a", PushedAuthorization: "https://as.example/par"})
		_, err := client.PushCode(t.Context(), oauth.CodeConfig{RedirectURI: redirectURI})
		require.Equal(t, auth.Protocol, tokenError(t, err).Kind)
		require.Equal(t, "code", p.forms[0].Get("response_type"))
		require.Equal(t, "client", p.forms[0].Get("client_id"))
	}
}

// Entra takes no other name for the loopback interface, and some servers take only
// pushed requests. A program with a browser can do both.
func TestLoopbackAtLocalhost(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{RequirePushed: true})
	defer server.Close()
	c := configOf(server)
	c.Endpoints.RequirePushed = true
	done := make(chan struct{})
	_, err := newClient(t, c).LoginLoopback(t.Context(), oauth.LoopbackConfig{
		Host: "localhost", Path: "/",
		Open: func(page string) error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
			if err != nil {
				return err
			}
			resp, err := server.Transport().RoundTrip(req)
			if err != nil {
				return err
			}
			_ = resp.Body.Close()
			back, err := resp.Location()
			if err != nil {
				return err
			}
			go func() {
				defer close(done)
				if back.Hostname() != "localhost" {
					t.Error(back.Host)
				}
				address := *back
				address.Host = "127.0.0.1:" + back.Port() // whatever this machine's resolver says
				if status, _ := get(t, address.String(), ""); status != http.StatusNotFound {
					t.Error("another host's name", status)
				}
				if status, _ := get(t, address.String(), back.Host); status != http.StatusOK {
					t.Error(status)
				}
			}()
			return nil
		},
	})
	require.NoError(t, err)
	<-done
	_, err = newClient(t, c).LoginLoopback(t.Context(), oauth.LoopbackConfig{Host: "app.example", Open: func(string) error { return nil }})
	require.ErrorContains(t, err, "LoopbackConfig.Host")
}
