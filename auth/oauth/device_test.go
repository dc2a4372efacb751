package oauth_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestDeviceLoginSurvives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		client := newClient(t, configOf(server))
		login, err := client.StartDevice(t.Context(), oauth.Params{Scopes: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, 10*time.Minute, time.Until(login.Expiry))
		slow := authtest.Fault{Status: 400, Body: `{"error":"slow_down"}`}
		slower := authtest.Fault{Status: 400, Body: slow.Body, Header: []string{"Retry-After", "25"}}
		server.Fail(
			authtest.Fault{}, slow, slower, authtest.Fault{}, authtest.Fault{Break: true}, authtest.Fault{Refuse: true},
			authtest.Fault{Status: 503, Header: []string{"Retry-After", "50"}}, authtest.Fault{},
		)
		time.AfterFunc(5*time.Minute, server.ApproveDevices)
		start := time.Now()
		token, err := login.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, token.Scopes)
		var waits []time.Duration
		for _, r := range server.Requests() {
			waits = append(waits, r.At.Sub(start).Round(time.Second))
			start = r.At
		}
		require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second}, waits[:2])
		require.Equal(t, []time.Duration{
			10 * time.Second, // slow_down
			25 * time.Second, // slow_down, with Retry-After
			15 * time.Second, // pending
			30 * time.Second, // broken
			60 * time.Second, // refused
			60 * time.Second, // 503
			15 * time.Second, // pending again
		}, waits[2:9])
	})
}

func TestDeviceLoginEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin func(*authtest.Server, context.CancelFunc)
		check func(testing.TB, *auth.TokenError)
	}{
		"denied": {
			func(s *authtest.Server, _ context.CancelFunc) { s.DenyDevices() },
			func(t testing.TB, e *auth.TokenError) { require.Equal(t, "access_denied", e.Code) },
		},
		"too late": {
			func(s *authtest.Server, _ context.CancelFunc) { s.Fail(authtest.Fault{Hang: true, Times: -1}) },
			func(t testing.TB, e *auth.TokenError) {
				require.Equal(t, "expired_token", e.Code)
				require.ErrorIs(t, e, auth.ErrReauthRequired)
			},
		},
		"cancelled": {
			func(_ *authtest.Server, cancel context.CancelFunc) { time.AfterFunc(time.Second, cancel) },
			func(t testing.TB, e *auth.TokenError) { require.Equal(t, auth.Canceled, e.Kind) },
		},
		"nonsense": {
			func(s *authtest.Server, _ context.CancelFunc) { s.Fail(authtest.Fault{Status: 200, Body: "[]"}) },
			func(t testing.TB, e *auth.TokenError) { require.Equal(t, auth.Protocol, e.Kind) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := authtest.NewServer(authtest.ServerConfig{})
				defer server.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				login, err := newClient(t, configOf(server)).StartDevice(ctx, oauth.Params{})
				require.NoError(t, err)
				test.begin(server, cancel)
				_, err = login.Wait(ctx)
				test.check(t, tokenError(t, err))
			})
		})
	}
}

func TestDeviceAnswersAreChecked(t *testing.T) {
	t.Parallel()
	const good = `{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","verification_uri_complete":"https://as.example/device?c=1"`
	start := func(t *testing.T, body string) (*oauth.DeviceLogin, error) {
		t.Helper()
		c := oauth.Config{
			Endpoints: oauth.Endpoints{Token: "https://as.example/t", Device: "https://as.example/d"}, ClientID: "c", Auth: oauth.Public(),
			Transport: rttest.NewScript(rttest.Step{Body: body, Header: []string{"Content-Type", "application/json"}}),
		}
		return newClient(t, c).StartDevice(t.Context(), oauth.Params{})
	}
	for _, change := range [][2]string{
		{`"d"`, `""`},
		{`"d"`, `7`},
		{"WDJB-MJHT", ""},
		{"WDJB-MJHT", `\u001b[2J`},
		{"WDJB-MJHT", strings.Repeat("x", 5000)},
		{"https://as.example/device\"", "javascript:x\""},
		{"https://as.example/device\"", "https://as.example/\\u001b\""},
		{"https://as.example/device?c=1", "file:///etc"},
		{"https://as.example/device\"", "\""},
	} {
		_, err := start(t, strings.Replace(good, change[0], change[1], 1)+"}")
		require.Equal(t, auth.Protocol, tokenError(t, err).Kind, change)
	}
	for member, want := range map[string]time.Duration{
		``: 15 * time.Minute, `,"expires_in":60`: time.Minute, `,"expires_in":1e12`: time.Hour, `,"expires_in":-1`: 15 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			login, err := start(t, good+member+"}")
			require.NoError(t, err)
			require.Equal(t, want, time.Until(login.Expiry))
			require.Equal(t, "https://as.example/device?c=1", login.VerificationURIComplete)
		})
	}
}
