package oauth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
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
)

// elsewhere is a store as a replica sees it whose clock is ahead.
type elsewhere struct {
	oauth.Locker
	store oauth.Store
	ahead time.Duration
}

func (s elsewhere) Load(ctx context.Context, key string) (oauth.Record, error) {
	r, err := s.store.Load(ctx, key)
	return shifted(r, -s.ahead), err
}

func (s elsewhere) Save(ctx context.Context, key string, r oauth.Record) (string, error) {
	return s.store.Save(ctx, key, shifted(r, s.ahead))
}

// shifted returns r with its times by another clock.
func shifted(r oauth.Record, d time.Duration) oauth.Record {
	if r.Token != nil {
		r.Token = r.Token.Clone()
		r.Token.Issued, r.Token.Expiry = r.Token.Issued.Add(d), r.Token.Expiry.Add(d)
	}
	return r
}

// Replicas whose clocks are wrong take each other's tokens for older or younger
// than they are. That costs refreshes, but not a storm of them, and never the
// login.
func TestReplicasWithWrongClocks(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour, "a minute ahead": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withServer(t, func(t *testing.T, server *authtest.Server) {
				right := loggedIn(t, server)
				var caches []*auth.Cache
				for _, store := range []oauth.Store{right, elsewhere{right, right, ahead}, elsewhere{right, right, ahead}} {
					r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
					defer r.Close()
					caches = append(caches, newCache(t, auth.CacheConfig{Source: r}))
				}
				const hours = 24
				for range hours * 60 {
					for _, c := range caches {
						_, err := c.Token(t.Context())
						require.NoError(t, err)
					}
					time.Sleep(time.Minute)
				}
				require.LessOrEqual(t, len(server.Requests()), 2*hours*len(caches))
			})
		})
	}
}

// A client whose clock is wrong learns that from the server's refusal of its first
// assertion, and makes another one at once. What is refused for another reason is
// sent once, and so is a one-time code.
func TestAssertionMadeByAWrongClock(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	mint, err := oauth.Mint(oauth.MintConfig{Key: key})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		ahead    time.Duration // the server's clock
		code     string
		always   bool // whatever the assertion says
		grant    string
		requests int
		good     bool
	}{
		"right":                         {0, "invalid_client", false, "client_credentials", 1, true},
		"behind":                        {10 * time.Minute, "invalid_client", false, "client_credentials", 2, true},
		"ahead":                         {-10 * time.Minute, "invalid_client", false, "client_credentials", 2, true},
		"refused all the same":          {10 * time.Minute, "invalid_client", true, "client_credentials", 2, false},
		"refused, and right":            {0, "invalid_client", true, "client_credentials", 1, false},
		"refused for something else":    {10 * time.Minute, "invalid_scope", false, "client_credentials", 1, false},
		"further off than is believed":  {48 * time.Hour, "invalid_client", false, "client_credentials", 1, false},
		"a user's assertion":            {10 * time.Minute, "invalid_grant", false, "jwt-bearer", 2, true},
		"a refresh":                     {10 * time.Minute, "invalid_client", false, "refresh_token", 2, true},
		"a refresh that is not allowed": {10 * time.Minute, "invalid_grant", false, "refresh_token", 1, false},
		"a one-time code":               {10 * time.Minute, "invalid_client", false, "authorization_code", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				c := oauth.Config{
					Endpoints: oauth.Endpoints{Token: "https://as.example/token", Authorization: "https://as.example/authorize"},
					ClientID:  "c", Auth: oauth.ClientAssertion(mint),
					Transport: rttest.Func(func(req *http.Request) (*http.Response, error) {
						requests++
						body, _ := io.ReadAll(req.Body)
						_ = req.Body.Close()
						form, _ := url.ParseQuery(string(body))
						now := time.Now().Add(test.ahead)
						status, answer := http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`
						if test.always || !timely(t, form.Get("client_assertion"), now) {
							status, answer = http.StatusBadRequest, `{"error":"`+test.code+`"}`
						}
						return &http.Response{
							StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Request: req,
							Header: http.Header{"Content-Type": {"application/json"}, "Date": {now.UTC().Format(http.TimeFormat)}},
						}, nil
					}),
				}
				client := newClient(t, c)
				var err error
				switch test.grant {
				case "client_credentials":
					_, err = credentials(t, client).Token(t.Context())
				case "jwt-bearer":
					source, wrong := client.JWTBearer(oauth.JWTBearerConfig{Assertion: mint})
					require.NoError(t, wrong)
					_, err = source.Token(t.Context())
				case "refresh_token":
					r, wrong := client.Refresher(oauth.RefreshConfig{Key: family})
					require.NoError(t, wrong)
					defer r.Close()
					require.NoError(t, r.Login(t.Context(), old("refresh")))
					_, err = r.Token(t.Context())
				case "authorization_code":
					login, wrong := client.StartCode(oauth.CodeConfig{RedirectURI: redirectURI})
					require.NoError(t, wrong)
					_, err = client.FinishCode(t.Context(), login, url.Values{"code": {"x"}, "state": {login.State}})
				}
				require.Equal(t, test.good, err == nil, "%v", err)
				require.Equal(t, test.requests, requests)
			})
		})
	}
}

// timely reports whether an assertion is of about now.
func timely(t testing.TB, assertion string, now time.Time) bool {
	t.Helper()
	_, rest, _ := strings.Cut(assertion, ".")
	payload, _, _ := strings.Cut(rest, ".")
	data, err := base64.RawURLEncoding.DecodeString(payload)
	require.NoError(t, err)
	var claims struct{ Iat, Exp int64 }
	require.NoError(t, json.Unmarshal(data, &claims))
	return claims.Iat <= now.Unix()+10 && claims.Exp > now.Unix()
}
