package oauth_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
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
			maps.DeleteFunc(answer, func(_ string, v []string) bool { return v == nil })
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
