package oauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// browser is where the loopback receiver's user looks at pages: the
// authorization server is in memory, the receiver is not.
func browser(t *testing.T, s *authtest.Server, then func(back *url.URL)) func(string) error {
	t.Helper()
	return func(page string) error {
		u, err := url.Parse(page)
		require.NoError(t, err)
		back, err := url.Parse(u.Query().Get("redirect_uri"))
		require.NoError(t, err)
		back.RawQuery = visit(t, s, page).Encode()
		go then(back)
		return nil
	}
}

func get(t *testing.T, u string, host string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, u, nil)
	if err == nil {
		req.Host = host
		var resp *http.Response
		if resp, err = http.DefaultTransport.RoundTrip(req); err == nil {
			defer resp.Body.Close()
			data, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(data)
		}
	}
	t.Error(err)
	return 0, ""
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	client := newClient(t, configOf(server))
	done := make(chan struct{})
	token, err := client.LoginLoopback(t.Context(), oauth.LoopbackConfig{
		Page: "Bye.",
		Open: browser(t, server, func(back *url.URL) {
			defer close(done)
			without := func(name, value string) string {
				other := *back
				q := other.Query()
				q.Set(name, value)
				other.RawQuery = q.Encode()
				return other.String()
			}
			// None of these is the end of the login.
			for _, u := range []string{
				"http://" + back.Host + "/", "http://" + back.Host + back.Path, "http://" + back.Host + back.Path + "?%zz",
				without("state", "x"), without("iss", "https://evil.example"),
				without("state", "x") + "&error=access_denied",
			} {
				status, body := get(t, u, "")
				require.Contains(t, []int{400, 404}, status)
				require.NotContains(t, body, "evil")
			}
			status, _ := get(t, back.String(), "rebound.example")
			require.Equal(t, 404, status)
			status, body := get(t, back.String(), "")
			require.Equal(t, 200, status)
			require.Equal(t, "Bye.", body)
		}),
	})
	require.NoError(t, err)
	require.False(t, token.AccessToken.IsZero())
	<-done
}

func TestLoopbackEnds(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	client := newClient(t, configOf(server))
	failure := errors.New("there is no browser")
	_, err := client.LoginLoopback(t.Context(), oauth.LoopbackConfig{Open: func(string) error { return failure }})
	require.ErrorIs(t, err, failure)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = client.LoginLoopback(ctx, oauth.LoopbackConfig{Open: func(string) error { cancel(); return nil }})
	require.Equal(t, auth.Canceled, tokenError(t, err).Kind)
	_, err = client.LoginLoopback(t.Context(), oauth.LoopbackConfig{Open: browser(t, server, func(back *url.URL) {
		q := back.Query()
		q.Del("code")
		q.Set("error", "access_denied")
		back.RawQuery = q.Encode()
		get(t, back.String(), "")
	})})
	require.Equal(t, "access_denied", tokenError(t, err).Code)
	_, err = client.LoginLoopback(t.Context(), oauth.LoopbackConfig{Port: -1, Path: "//x", Params: oauth.Params{Scopes: []string{""}}})
	for _, text := range []string{"Open is nil", "Port is -1", "Path", "Scopes[0]"} {
		require.ErrorContains(t, err, text)
	}
}
