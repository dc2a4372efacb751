package oauth_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// The servers here answer as those of well-known providers do, where they differ
// from the letter of the standards or from each other.

// reply is one answer of a provider, JSON unless it says otherwise.
type reply struct {
	status      int
	body        string
	contentType string
}

// provider answers at each path with the replies for it, one after the other, the
// last one for ever.
type provider struct {
	replies map[string][]reply
	forms   []url.Values // of the requests so far
	paths   []string
}

func (p *provider) transport() http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		var body []byte
		if req.Body != nil {
			body, _ = io.ReadAll(req.Body)
			_ = req.Body.Close()
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		p.forms, p.paths = append(p.forms, form), append(p.paths, req.URL.Path)
		answer := reply{status: http.StatusNotFound, body: "<html>", contentType: "text/html"}
		if list := p.replies[req.URL.Path]; len(list) > 0 {
			answer = list[0]
			if len(list) > 1 {
				p.replies[req.URL.Path] = list[1:]
			}
		}
		if answer.status == 0 {
			answer.status = http.StatusOK
		}
		if answer.contentType == "" {
			answer.contentType = "application/json"
		}
		return &http.Response{
			StatusCode: answer.status, Header: http.Header{"Content-Type": {answer.contentType}},
			Body: io.NopCloser(strings.NewReader(answer.body)), Request: req,
		}, nil
	})
}

func (p *provider) client(t testing.TB, e oauth.Endpoints) *oauth.Client {
	t.Helper()
	return newClient(t, oauth.Config{
		Endpoints: e, ClientID: "client", Auth: oauth.SecretPost(auth.NewSecret("a secret")), Transport: p.transport(),
		Retry: retry.Config{MaxAttempts: -1},
	})
}

// Token answers that are good in spite of what is odd about them.
func TestProvidersTokenAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer reply
		want   func(testing.TB, *auth.Token)
	}{
		"Google": {
			reply{body: `{"access_token":"ya29.a0","expires_in":3599,"scope":"https://www.googleapis.com/auth/drive openid","token_type":"Bearer","id_token":"e.y.J"}`, contentType: "application/json; charset=utf-8"},
			func(t testing.TB, token *auth.Token) {
				require.Equal(t, []string{"https://www.googleapis.com/auth/drive", "openid"}, token.Scopes)
				require.Equal(t, `"e.y.J"`, token.Extra["id_token"].Reveal())
			},
		},
		"Entra, version 1": {
			reply{body: `{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1779600000","not_before":"1779596100","resource":"00000002-0000-0000-c000-000000000000","access_token":"eyJ0"}`},
			func(t testing.TB, token *auth.Token) { require.Equal(t, 3599*time.Second, token.ExpiresIn) },
		},
		"Keycloak": {
			reply{body: `{"access_token":"eyJh","expires_in":300,"refresh_expires_in":0,"token_type":"Bearer","not-before-policy":0,"scope":"profile email"}`},
			func(t testing.TB, token *auth.Token) { require.Equal(t, []string{"profile", "email"}, token.Scopes) },
		},
		"hydra": {
			reply{body: `{"access_token":"ory_at_1","expires_in":3599,"scope":"","token_type":"bearer"}`},
			func(t testing.TB, token *auth.Token) { require.Equal(t, []string{"read"}, token.Scopes) },
		},
		"Salesforce": {
			reply{body: `{"access_token":"00D!AQ","instance_url":"https://x.my.salesforce.com","issued_at":"1779596100000","token_type":"Bearer"}`, contentType: "application/json;charset=UTF-8"},
			func(t testing.TB, token *auth.Token) {
				require.Zero(t, token.ExpiresIn)
				require.Equal(t, `"https://x.my.salesforce.com"`, token.Extra["instance_url"].Reveal())
			},
		},
		"Twitch": {
			reply{body: `{"access_token":"a","expires_in":5011271,"token_type":"bearer","scope":["chat:read","chat:edit"]}`},
			func(t testing.TB, token *auth.Token) {
				require.Equal(t, []string{"chat:read", "chat:edit"}, token.Scopes)
			},
		},
		"Shopify": {
			reply{body: `{"access_token":"shpat_1","scope":"write_products,read_orders"}`},
			func(t testing.TB, token *auth.Token) { require.Empty(t, token.Type) },
		},
		"a misspelt charset":    {answer: reply{body: `{"access_token":"a","token_type":"BEARER"}`, contentType: "application/json; charset=utf8"}},
		"the charset of a JVM":  {answer: reply{body: `{"access_token":"a","token_type":"bearer"}`, contentType: "application/json;charset=ISO-8859-1"}},
		"a type with a version": {answer: reply{body: `{"access_token":"a"}`, contentType: `application/json; odata.metadata=minimal; charset="utf-8"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &provider{replies: map[string][]reply{"/token": {test.answer}}}
			token, err := credentials(t, p.client(t, oauth.Endpoints{Token: "https://as.example/token"})).Token(t.Context())
			require.NoError(t, err)
			if test.want != nil {
				test.want(t, token)
			}
		})
	}
}

// Refusals, and what they mean.
func TestProvidersRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer reply
		kind   auth.Kind
		code   string
		reauth bool
	}{
		"Entra wants the user":       {reply{status: 400, body: `{"error":"interaction_required","error_description":"AADSTS50079: Due to a change…\r\nTrace ID: x","error_codes":[50079],"suberror":"basic_action"}`}, auth.Permanent, "interaction_required", true},
		"Google, a login that ended": {reply{status: 400, body: `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`}, auth.Permanent, "invalid_grant", true},
		"Google, an API's form":      {reply{status: 403, body: `{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}`}, auth.Permanent, "", false},
		"Okta's own form":            {reply{status: 429, body: `{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit"}`}, auth.Transient, "", false},
		"Auth0":                      {reply{status: 401, body: `{"error":"access_denied","error_description":"Unauthorized"}`}, auth.Permanent, "access_denied", false},
		"Auth0 limits":               {reply{status: 429, body: `{"error":"access_denied","error_description":"Too many requests"}`}, auth.Transient, "access_denied", false},
		"node oidc-provider":         {reply{status: 401, body: `{"error":"invalid_client","error_description":"client authentication failed"}`, contentType: "application/json; charset=utf-8"}, auth.Permanent, "invalid_client", false},
		"401 without a body":         {reply{status: 401, contentType: "text/plain"}, auth.Permanent, "", false},
		"GitHub, with 200":           {reply{body: `{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}`}, auth.Protocol, "bad_refresh_token", true},
		"only with DPoP":             {reply{body: `{"access_token":"a","token_type":"DPoP"}`}, auth.Protocol, "", false},
		"DPoP with a nonce":          {reply{status: 400, body: `{"error":"use_dpop_nonce"}`}, auth.Permanent, "use_dpop_nonce", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &provider{replies: map[string][]reply{"/token": {test.answer}}}
			_, err := credentials(t, p.client(t, oauth.Endpoints{Token: "https://as.example/token"})).Token(t.Context())
			e := tokenError(t, err)
			require.Equal(t, test.kind, e.Kind)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.reauth, isReauth(err))
			require.Len(t, p.paths, 1)
		})
	}
}

// A login that GitHub has ended, which it says with a status of 200, is not tried
// again, and the user is asked once.
func TestGitHubEndsALogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{replies: map[string][]reply{"/token": {{body: `{"error":"bad_refresh_token"}`}}}}
		refresher, err := p.client(t, oauth.Endpoints{Token: "https://as.example/token"}).Refresher(oauth.RefreshConfig{Key: "k"})
		require.NoError(t, err)
		defer refresher.Close()
		require.NoError(t, refresher.Login(t.Context(), old("ghr_1B4a2e77838347a7E420ce178F2E7c6912E169246c3")))
		asked := 0
		cache := newCache(t, auth.CacheConfig{Source: refresher, Hooks: auth.CacheHooks{ReauthRequired: func(error) { asked++ }}})
		for range 10 {
			_, err = cache.Token(t.Context())
			require.ErrorIs(t, err, auth.ErrReauthRequired)
			time.Sleep(time.Hour)
		}
		require.Equal(t, 1, asked)
		require.Len(t, p.paths, 1)
	})
}

// GitHub polls with 200 for everything, Google has statuses of its own and another
// name for where to go.
func TestProvidersDeviceLogins(t *testing.T) {
	t.Parallel()
	const good = `{"access_token":"a","token_type":"bearer","scope":"repo"}`
	for name, test := range map[string]struct {
		device reply
		polls  []reply
		uri    string
		took   time.Duration
		code   string // of the error
		reauth bool
	}{
		"GitHub": {
			device: reply{body: `{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://github.com/login/device","expires_in":899,"interval":5}`, contentType: "application/json; charset=utf-8"},
			polls: []reply{
				{body: `{"error":"authorization_pending","error_description":"The authorization request is still pending."}`},
				{body: `{"error":"slow_down","error_description":"Too many requests","interval":10}`},
				{body: `{"error":"authorization_pending"}`},
				{body: good},
			},
			uri:  "https://github.com/login/device",
			took: 5*time.Second + 5*time.Second + 10*time.Second + 10*time.Second,
		},
		"GitHub, refused": {
			device: reply{body: `{"device_code":"d","user_code":"u","verification_uri":"https://github.com/login/device"}`},
			polls:  []reply{{body: `{"error":"authorization_pending"}`}, {body: `{"error":"access_denied"}`}},
			uri:    "https://github.com/login/device", took: 10 * time.Second, code: "access_denied",
		},
		"Google": {
			device: reply{body: `{"device_code":"4/4-GM","user_code":"GQVQ-JKEC","verification_url":"https://www.google.com/device","expires_in":1800,"interval":5}`},
			polls: []reply{
				{status: 428, body: `{"error":"authorization_pending","error_description":"Precondition Required"}`},
				{status: 403, body: `{"error":"slow_down","error_description":"Forbidden"}`},
				{body: good},
			},
			uri:  "https://www.google.com/device",
			took: 5*time.Second + 5*time.Second + 10*time.Second,
		},
		"Entra": {
			device: reply{body: `{"device_code":"d","user_code":"u","verification_uri":"https://microsoft.com/devicelogin","expires_in":"900","interval":"5","message":"To sign in…"}`},
			polls: []reply{
				{status: 400, body: `{"error":"authorization_pending"}`},
				{status: 400, body: `{"error":"authorization_declined"}`},
			},
			uri: "https://microsoft.com/devicelogin", took: 10 * time.Second, code: "authorization_declined",
		},
		"Okta, too late": {
			device: reply{body: `{"device_code":"d","user_code":"u","verification_uri":"https://x.okta.com/activate","expires_in":600,"interval":5}`},
			polls:  []reply{{status: 400, body: `{"error":"authorization_pending"}`}, {status: 400, body: `{"error":"expired_token"}`}},
			uri:    "https://x.okta.com/activate", took: 10 * time.Second, code: "expired_token", reauth: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &provider{replies: map[string][]reply{"/device": {test.device}, "/token": test.polls}}
				client := p.client(t, oauth.Endpoints{Token: "https://as.example/token", Device: "https://as.example/device"})
				login, err := client.StartDevice(t.Context(), oauth.Params{})
				require.NoError(t, err)
				require.Equal(t, test.uri, login.VerificationURI)
				start := time.Now()
				_, err = login.Wait(t.Context())
				require.Equal(t, test.took, time.Since(start))
				if test.code == "" {
					require.NoError(t, err)
					return
				}
				require.Equal(t, test.code, tokenError(t, err).Code)
				require.Equal(t, test.reauth, isReauth(err))
			})
		})
	}
}

// A server with resource indicators, such as node oidc-provider, makes a token for
// itself if the request for the token does not name the resource again (RFC 8707,
// section 2.2).
func TestResourcesAreNamedAgain(t *testing.T) {
	t.Parallel()
	resources := []string{"https://api.example/one", "https://api.example/two"}
	params := oauth.Params{Resources: resources}
	const good = `{"access_token":"a","token_type":"Bearer","refresh_token":"r"}`
	synctest.Test(t, func(t *testing.T) {
		p := &provider{replies: map[string][]reply{
			"/device": {{body: `{"device_code":"d","user_code":"u","verification_uri":"https://as.example/v"}`}}, "/token": {{body: good}},
		}}
		client := p.client(t, oauth.Endpoints{
			Token: "https://as.example/token", Device: "https://as.example/device", Authorization: "https://as.example/authorize",
		})
		login, err := client.StartCode(oauth.CodeConfig{Params: params, RedirectURI: "https://app.example/"})
		require.NoError(t, err)
		require.Equal(t, resources, login.Resources)
		_, err = client.FinishCode(t.Context(), login, url.Values{"code": {"c"}, "state": {login.State}})
		require.NoError(t, err)
		device, err := client.StartDevice(t.Context(), params)
		require.NoError(t, err)
		token, err := device.Wait(t.Context())
		require.NoError(t, err)
		refresher, err := client.Refresher(oauth.RefreshConfig{Key: "k", Resources: resources})
		require.NoError(t, err)
		defer refresher.Close()
		require.NoError(t, refresher.Login(t.Context(), token))
		for range 2 {
			_, err = refresher.Token(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, []string{"/token", "/device", "/token", "/token"}, p.paths)
		for _, form := range p.forms {
			require.Equal(t, resources, form["resource"], form.Get("grant_type"))
		}
		_, err = client.Refresher(oauth.RefreshConfig{Key: "k", Resources: []string{"one"}})
		require.ErrorContains(t, err, "Resources[0]")
	})
}

// Where the metadata of well-known providers is, and what is in it.
func TestProvidersDiscovery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config   oauth.DiscoverConfig
		path     string
		metadata string
		token    string
	}{
		"Google has its endpoints elsewhere": {
			oauth.DiscoverConfig{Issuer: "https://accounts.google.com", OpenID: true},
			"/.well-known/openid-configuration",
			`{"issuer":"https://accounts.google.com","token_endpoint":"https://oauth2.googleapis.com/token","jwks_uri":"https://www.googleapis.com/oauth2/v3/certs"}`,
			"https://oauth2.googleapis.com/token",
		},
		"Auth0's issuer ends in a slash": {
			oauth.DiscoverConfig{Issuer: "https://x.eu.auth0.com/", OpenID: true},
			"/.well-known/openid-configuration",
			`{"issuer":"https://x.eu.auth0.com/","token_endpoint":"https://x.eu.auth0.com/oauth/token"}`,
			"https://x.eu.auth0.com/oauth/token",
		},
		"Keycloak": {
			oauth.DiscoverConfig{Issuer: "https://id.example/realms/a", OpenID: true},
			"/realms/a/.well-known/openid-configuration",
			`{"issuer":"https://id.example/realms/a","token_endpoint":"https://id.example/realms/a/t","mtls_endpoint_aliases":null,"revocation_endpoint":null}`,
			"https://id.example/realms/a/t",
		},
		"Okta has that of RFC 8414 behind the path": {
			oauth.DiscoverConfig{Issuer: "https://x.okta.com/oauth2/default", URL: "https://x.okta.com/oauth2/default/.well-known/oauth-authorization-server"},
			"/oauth2/default/.well-known/oauth-authorization-server",
			`{"issuer":"https://x.okta.com/oauth2/default","token_endpoint":"https://x.okta.com/oauth2/default/v1/token"}`,
			"https://x.okta.com/oauth2/default/v1/token",
		},
		"Azure AD B2C has an issuer of another form": {
			oauth.DiscoverConfig{Issuer: "https://x.b2clogin.com/0a1b/v2.0/", URL: "https://x.b2clogin.com/x.onmicrosoft.com/B2C_1_in/v2.0/.well-known/openid-configuration?slice=1"},
			"/x.onmicrosoft.com/B2C_1_in/v2.0/.well-known/openid-configuration",
			`{"issuer":"https://x.b2clogin.com/0a1b/v2.0/","token_endpoint":"https://x.b2clogin.com/x.onmicrosoft.com/oauth2/v2.0/token?p=b2c_1_in"}`,
			"https://x.b2clogin.com/x.onmicrosoft.com/oauth2/v2.0/token?p=b2c_1_in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &provider{replies: map[string][]reply{test.path: {{body: test.metadata, contentType: "application/json; charset=utf-8"}}}}
			test.config.Transport = p.transport()
			m, err := oauth.Discover(t.Context(), test.config)
			require.NoError(t, err)
			require.Equal(t, test.token, m.Endpoints.Token)
			require.Equal(t, test.token, m.MTLS.Token)
			test.config.Issuer += "x"
			test.config.Transport = (&provider{replies: map[string][]reply{test.path: {{body: test.metadata}}}}).transport()
			_, err = oauth.Discover(t.Context(), test.config)
			require.Error(t, err, "the issuer counts, wherever the metadata is")
		})
	}
	for _, wrong := range []string{"http://as.example/m", "https://u:p@as.example/m", "m", "https://as.example/m#x"} {
		_, err := oauth.Discover(t.Context(), oauth.DiscoverConfig{Issuer: "https://as.example", URL: wrong, Transport: nowhere{t}})
		require.ErrorContains(t, err, "DiscoverConfig.URL")
	}
}

// Google says of a token that it has forgotten that it is invalid. It is revoked.
func TestRevokingATokenThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := &provider{replies: map[string][]reply{"/revoke": {
		{status: 400, body: `{"error":"invalid_token","error_description":"Token expired or revoked"}`},
		{status: 400, body: `{"error":"unsupported_token_type"}`},
	}}}
	client := p.client(t, oauth.Endpoints{Token: "https://as.example/token", Revocation: "https://as.example/revoke"})
	require.NoError(t, client.Revoke(t.Context(), auth.NewSecret("x"), ""))
	require.Equal(t, "unsupported_token_type", tokenError(t, client.Revoke(t.Context(), auth.NewSecret("x"), "")).Code)
}

func isReauth(err error) bool { return errors.Is(err, auth.ErrReauthRequired) }
