package oauth_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

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
