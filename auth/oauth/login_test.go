package oauth_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestChallenge(t *testing.T) {
	t.Parallel()
	// RFC 7636, appendix B.
	require.Equal(t, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", oauth.Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
}

const redirectURI = "https://app.example/callback"

// visit goes to the login page, as a browser does, and returns the answer that
// the server sends it back with.
func visit(t testing.TB, s *authtest.Server, page string) url.Values {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	require.NoError(t, err)
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	back, err := resp.Location()
	require.NoError(t, err)
	return back.Query()
}

func TestCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		c := configOf(server)
		c.Endpoints.Authorization += "?tenant=7"
		client := newClient(t, c)
		login, err := client.StartCode(oauth.CodeConfig{
			RedirectURI: redirectURI,
			Params:      oauth.Params{Scopes: []string{"a", "b"}, Resources: []string{"https://api.example/"}, Extra: url.Values{"prompt": {"login"}}},
		})
		require.NoError(t, err)
		u, err := url.Parse(login.URL)
		require.NoError(t, err)
		require.Equal(t, url.Values{
			"tenant": {"7"}, "response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {redirectURI}, "scope": {"a b"},
			"resource": {"https://api.example/"}, "prompt": {"login"}, "state": {login.State},
			"code_challenge": {oauth.Challenge(login.Verifier.Reveal())}, "code_challenge_method": {"S256"},
		}, u.Query())
		require.Len(t, login.Verifier.Reveal(), 43)
		other, err := client.StartCode(oauth.CodeConfig{RedirectURI: redirectURI})
		require.NoError(t, err)
		require.NotEqual(t, login.State, other.State)
		require.False(t, login.Verifier.Equal(other.Verifier))

		answer := visit(t, server, login.URL)
		token, err := client.FinishCode(t.Context(), login, answer)
		require.NoError(t, err)
		require.False(t, token.RefreshToken.IsZero())
		require.Equal(t, []string{"a", "b"}, token.Scopes)
		form := server.Requests()[0].Form
		require.Equal(t, redirectURI, form.Get("redirect_uri"))
		require.Equal(t, login.Verifier.Reveal(), form.Get("code_verifier"))

		_, err = client.FinishCode(t.Context(), login, answer)
		require.ErrorIs(t, err, auth.ErrReauthRequired, "a code can be used once")
		answer = visit(t, server, other.URL)
		other.Verifier = login.Verifier
		_, err = client.FinishCode(t.Context(), other, answer)
		require.Error(t, err, "and by who has asked for it")
	})
}

func TestCodeAnswersAreChecked(t *testing.T) {
	t.Parallel()
	c := oauth.Config{
		Endpoints: oauth.Endpoints{Issuer: "https://as.example", Token: "https://as.example/t", Authorization: "https://as.example/a", RequireIss: true},
		ClientID:  "c", Auth: oauth.Public(), Transport: nowhere{t},
	}
	client := newClient(t, c)
	login, err := client.StartCode(oauth.CodeConfig{RedirectURI: redirectURI})
	require.NoError(t, err)
	good := url.Values{"state": {login.State}, "iss": {"https://as.example"}, "code": {"x"}}
	for name, test := range map[string]struct {
		change map[string][]string
		want   error
		code   string
		kind   auth.Kind
	}{
		"no state":          {change: map[string][]string{"state": nil}, want: oauth.ErrState},
		"another state":     {change: map[string][]string{"state": {"x"}}, want: oauth.ErrState},
		"two states":        {change: map[string][]string{"state": {login.State, "x"}}, want: oauth.ErrState},
		"two codes":         {change: map[string][]string{"code": {"x", "y"}}, want: oauth.ErrState},
		"another iss":       {change: map[string][]string{"iss": {"https://evil.example"}}, want: oauth.ErrIssuer},
		"iss with a slash":  {change: map[string][]string{"iss": {"https://as.example/"}}, want: oauth.ErrIssuer},
		"no iss":            {change: map[string][]string{"iss": nil}, want: oauth.ErrIssuer},
		"two iss":           {change: map[string][]string{"iss": {"https://as.example", "https://evil.example"}}, want: oauth.ErrState},
		"no code":           {change: map[string][]string{"code": nil}, kind: auth.Protocol},
		"code in two lines": {change: map[string][]string{"code": {"a\nb"}}, kind: auth.Protocol},
		"denied":            {change: map[string][]string{"error": {"access_denied"}}, code: "access_denied", kind: auth.Permanent},
		"for now":           {change: map[string][]string{"error": {"temporarily_unavailable"}}, code: "temporarily_unavailable", kind: auth.Transient},
		"error, no state":   {change: map[string][]string{"error": {"access_denied"}, "state": nil}, want: oauth.ErrState},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := url.Values{}
			maps.Copy(answer, good)
			maps.Copy(answer, test.change)
			_, err := client.FinishCode(t.Context(), login, answer)
			e := tokenError(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
				return
			}
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.kind, e.Kind)
		})
	}
	_, err = client.FinishCode(t.Context(), &oauth.CodeLogin{}, url.Values{"state": {""}, "code": {"x"}})
	require.ErrorIs(t, err, oauth.ErrState, "an empty state is none")
	_, err = client.FinishCode(t.Context(), nil, good)
	require.ErrorIs(t, err, oauth.ErrState)
}

// TestOneTimeCodesAreSentOnce holds for whatever the server may have seen.
func TestOneTimeCodesAreSentOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault authtest.Fault
		sent  int
	}{
		"refused":   {authtest.Fault{Refuse: true}, 2},
		"broken":    {authtest.Fault{Break: true}, 1},
		"lost":      {authtest.Fault{Lose: true}, 1},
		"hanging":   {authtest.Fault{Hang: true}, 1},
		"truncated": {authtest.Fault{Status: 200, Body: "{", Cut: true}, 1},
		"500":       {authtest.Fault{Status: 500}, 1},
		"503":       {authtest.Fault{Status: 503, Header: []string{"Retry-After", "1"}}, 1},
		"429":       {authtest.Fault{Status: 429}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := authtest.NewServer(authtest.ServerConfig{})
				defer server.Close()
				c := configOf(server)
				c.Retry = retry.Config{}
				client := newClient(t, c)
				login, err := client.StartCode(oauth.CodeConfig{RedirectURI: redirectURI})
				require.NoError(t, err)
				answer := visit(t, server, login.URL)
				server.Fail(test.fault)
				_, err = client.FinishCode(t.Context(), login, answer)
				require.Equal(t, test.sent == 1, err != nil)
				require.Len(t, server.Requests(), test.sent)
			})
		})
	}
}

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
