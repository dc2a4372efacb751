package authtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/authtest"
)

// ask sends a form to an endpoint and returns the answer's members.
func ask(t testing.TB, rt http.RoundTripper, endpoint string, form url.Values) (status int, members map[string]any, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		_ = json.Unmarshal(body, &members)
	}
	return resp.StatusCode, members, err
}

func refresh(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func TestServerFindsReuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		first := server.Login()
		_, members, err := ask(t, server.Transport(), server.URL("token"), refresh(first))
		require.NoError(t, err)
		second := members["refresh_token"].(string)
		require.NotEqual(t, first, second)
		for _, token := range []string{first, second, "unknown"} {
			status, members, err := ask(t, server.Transport(), server.URL("token"), refresh(token))
			require.NoError(t, err)
			require.Equal(t, 400, status)
			require.Equal(t, "invalid_grant", members["error"])
		}
		require.Len(t, server.Requests(), 4)
		require.Equal(t, "refresh_token", server.Requests()[0].Grant)
	})
}

func TestFaultsComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		login := server.Login()
		server.Fail(
			authtest.Fault{Name: "a", Refuse: true},
			authtest.Fault{Name: "b", Break: true, Times: 2},
			authtest.Fault{Name: "c", Delay: time.Second, Status: 500},
			authtest.Fault{Name: "d", Lose: true},
			authtest.Fault{Name: "e", Status: 503, Times: -1},
		)
		post := func() (int, error) {
			status, _, err := ask(t, server.Transport(), server.URL("token"), refresh(login))
			return status, err
		}
		_, err := post()
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		for range 2 {
			_, err = post()
			require.Error(t, err)
		}
		start := time.Now()
		status, err := post()
		require.NoError(t, err)
		require.Equal(t, 500, status)
		require.Equal(t, time.Second, time.Since(start))
		_, err = post()
		require.Error(t, err)
		for range 3 {
			status, err = post()
			require.NoError(t, err)
			require.Equal(t, 503, status)
		}
		server.Heal()
		status, err = post()
		require.NoError(t, err)
		require.Equal(t, 400, status, "what was lost was done")
		var names []string
		for _, r := range server.Requests() {
			names = append(names, r.Fault)
		}
		require.Equal(t, []string{"a", "b", "b", "c", "d", "e", "e", "e", ""}, names)
	})
}

func TestHangEndsWithTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		server.Fail(authtest.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL("token"), http.NoBody)
		require.NoError(t, err)
		_, err = server.Transport().RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestServerIsAHandler uses it without its Transport.
func TestServerIsAHandler(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{ClientID: "c", ClientSecret: "s"})
	web := httptest.NewServer(server)
	defer web.Close()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"c"}, "client_secret": {"s"}}
	status, members, err := ask(t, http.DefaultTransport, web.URL+"/token", form)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.NotEmpty(t, members["access_token"])
	form.Set("client_secret", "x")
	status, members, err = ask(t, http.DefaultTransport, web.URL+"/token", form)
	require.NoError(t, err)
	require.Equal(t, 401, status)
	require.Equal(t, "invalid_client", members["error"])
	server.Fail(authtest.Fault{Refuse: true})
	_, _, err = ask(t, http.DefaultTransport, web.URL+"/token", form)
	require.Error(t, err)
	require.False(t, errors.Is(err, syscall.ECONNREFUSED), "a handler can only break the connection")
}

func TestUnknownRequestsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		for grant, want := range map[string]string{
			"": "unsupported_grant_type", "password": "unsupported_grant_type", "authorization_code": "invalid_grant",
			"urn:ietf:params:oauth:grant-type:device_code": "invalid_grant", "urn:ietf:params:oauth:grant-type:jwt-bearer": "invalid_grant",
			"urn:ietf:params:oauth:grant-type:token-exchange": "invalid_request",
		} {
			status, members, err := ask(t, server.Transport(), server.URL("token"), url.Values{"grant_type": {grant}})
			require.NoError(t, err)
			require.Equal(t, 400, status)
			require.Equal(t, want, members["error"], grant)
		}
	})
}
