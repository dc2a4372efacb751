package integration_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

const (
	fositeSecret   = "s3cret/:+ &%ü"
	fositeRedirect = "https://app.example/callback"
	bearerGrant    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// fositeServer is an authorization server made with github.com/ory/fosite.
type fositeServer struct {
	endpoints oauth.Endpoints
	clientKey *ecdsa.PrivateKey // of the client "signer"
	userKey   *rsa.PrivateKey   // of the issuer "https://idp.example"
}

func startFosite(t *testing.T) *fositeServer {
	t.Helper()
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s := &fositeServer{endpoints: oauth.Endpoints{
		Token: web.URL + "/token", Authorization: web.URL + "/authorize", Revocation: web.URL + "/revoke",
		PushedAuthorization: web.URL + "/par",
	}}
	var err error
	s.clientKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	s.userKey, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	hash, err := bcrypt.GenerateFromPassword([]byte(fositeSecret), bcrypt.MinCost)
	require.NoError(t, err)
	store := storage.NewMemoryStore()
	grants := fosite.Arguments{"authorization_code", "refresh_token", "client_credentials", bearerGrant}
	store.Clients["my client:1"] = &fosite.DefaultClient{
		ID: "my client:1", Secret: hash, RedirectURIs: []string{fositeRedirect}, GrantTypes: grants,
		ResponseTypes: []string{"code"}, Scopes: []string{"offline", "read"},
	}
	store.Clients["signer"] = &fosite.DefaultOpenIDConnectClient{
		DefaultClient:           &fosite.DefaultClient{ID: "signer", GrantTypes: grants, Scopes: []string{"read"}},
		TokenEndpointAuthMethod: "private_key_jwt", TokenEndpointAuthSigningAlgorithm: "ES256",
		JSONWebKeys: &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.clientKey.Public(), KeyID: "c1", Use: "sig", Algorithm: "ES256"}}},
	}
	store.IssuerPublicKeys["https://idp.example"] = storage.IssuerPublicKeys{
		Issuer: "https://idp.example",
		KeysBySub: map[string]storage.SubjectPublicKeys{"alice": {Subject: "alice", Keys: map[string]storage.PublicKeyScopes{
			"u1": {Key: &jose.JSONWebKey{Key: s.userKey.Public(), KeyID: "u1", Algorithm: "RS256"}, Scopes: []string{"read"}},
		}}},
	}
	config := &fosite.Config{
		GlobalSecret: []byte("thirty-two bytes of a test secret"), EnforcePKCE: true, TokenURL: s.endpoints.Token,
		HashCost: bcrypt.MinCost, SendDebugMessagesToClients: true,
	}
	provider := compose.Compose(config, store, compose.NewOAuth2HMACStrategy(config),
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.RFC7523AssertionGrantFactory, compose.OAuth2TokenRevocationFactory, compose.OAuth2PKCEFactory,
		compose.PushedAuthorizeHandlerFactory)
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, &fosite.DefaultSession{})
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		if request.GetGrantTypes().ExactOne("client_credentials") {
			for _, scope := range request.GetRequestedScopes() {
				request.GrantScope(scope)
			}
		}
		response, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAuthorizeRequest(r.Context(), r)
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		response, err := provider.NewAuthorizeResponse(r.Context(), request, &fosite.DefaultSession{Subject: "alice"})
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		provider.WriteAuthorizeResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/par", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewPushedAuthorizeRequest(r.Context(), r)
		if err != nil {
			provider.WritePushedAuthorizeError(r.Context(), w, request, err)
			return
		}
		response, err := provider.NewPushedAuthorizeResponse(r.Context(), request, &fosite.DefaultSession{})
		if err != nil {
			provider.WritePushedAuthorizeError(r.Context(), w, request, err)
			return
		}
		provider.WritePushedAuthorizeResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		provider.WriteRevocationResponse(r.Context(), w, provider.NewRevocationRequest(r.Context(), r))
	})
	return s
}

// withSecret returns a client that has a secret.
func (s *fositeServer) withSecret(t *testing.T) *oauth.Client {
	t.Helper()
	c, err := oauth.New(oauth.Config{Endpoints: s.endpoints, ClientID: "my client:1", Auth: oauth.SecretBasic(auth.NewSecret(fositeSecret))})
	require.NoError(t, err)
	return c
}

// authorize goes to the login page and returns the answer.
func authorize(t *testing.T, page string) url.Values {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	back, err := resp.Location()
	require.NoError(t, err)
	return back.Query()
}

func TestFositeClientCredentials(t *testing.T) {
	t.Parallel()
	s := startFosite(t)
	source, err := s.withSecret(t).ClientCredentials(oauth.Params{Scopes: []string{"read"}})
	require.NoError(t, err)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"read"}, token.Scopes)
	require.Positive(t, token.ExpiresIn)

	raw, err := oauth.New(oauth.Config{Endpoints: s.endpoints, ClientID: "my client:1", Auth: oauth.SecretBasic(auth.NewSecret("wrong"))})
	require.NoError(t, err)
	source, err = raw.ClientCredentials(oauth.Params{})
	require.NoError(t, err)
	_, err = source.Token(t.Context())
	var e *auth.TokenError
	require.ErrorAs(t, err, &e)
	require.Equal(t, auth.Permanent, e.Kind)
	require.Equal(t, "invalid_client", e.Code)
}

func TestFositeCodeAndRotation(t *testing.T) {
	t.Parallel()
	s := startFosite(t)
	client := s.withSecret(t)
	login, err := client.StartCode(oauth.CodeConfig{RedirectURI: fositeRedirect, Params: oauth.Params{Scopes: []string{"offline", "read"}}})
	require.NoError(t, err)
	first, err := client.FinishCode(t.Context(), login, authorize(t, login.URL))
	require.NoError(t, err)

	store, err := oauth.NewFileStore(oauth.FileStoreConfig{Dir: filepath.Join(t.TempDir(), "tokens")})
	require.NoError(t, err)
	refresher, err := client.Refresher(oauth.RefreshConfig{Store: store, Key: "alice"})
	require.NoError(t, err)
	defer refresher.Close()
	require.NoError(t, refresher.Login(t.Context(), first))
	token, err := refresher.Token(t.Context())
	require.NoError(t, err)
	require.True(t, token.AccessToken.Equal(first.AccessToken), "it is good")
	for range 3 {
		next, err := refresher.Token(t.Context())
		require.NoError(t, err)
		require.False(t, next.RefreshToken.Equal(token.RefreshToken))
		token = next
	}

	// Somebody uses the first one again: the server ends the login.
	thief, err := client.Refresher(oauth.RefreshConfig{Key: "alice"})
	require.NoError(t, err)
	defer thief.Close()
	require.NoError(t, thief.Login(t.Context(), first))
	_, err = thief.Token(t.Context())
	require.NoError(t, err, "the access token has not expired yet")
	_, err = thief.Token(t.Context())
	require.ErrorIs(t, err, auth.ErrReauthRequired)
	_, err = refresher.Token(t.Context())
	require.ErrorIs(t, err, auth.ErrReauthRequired)
}

func TestFositePushedLogin(t *testing.T) {
	t.Parallel()
	s := startFosite(t)
	client := s.withSecret(t)
	login, err := client.PushCode(t.Context(), oauth.CodeConfig{RedirectURI: fositeRedirect, Params: oauth.Params{Scopes: []string{"read"}}})
	require.NoError(t, err)
	require.NotContains(t, login.URL, "code_challenge")
	token, err := client.FinishCode(t.Context(), login, authorize(t, login.URL))
	require.NoError(t, err)
	require.Equal(t, []string{"read"}, token.Scopes)

	// The parameters are looked at when they come.
	_, err = client.PushCode(t.Context(), oauth.CodeConfig{RedirectURI: "https://evil.example/"})
	var e *auth.TokenError
	require.ErrorAs(t, err, &e)
	require.Equal(t, auth.Permanent, e.Kind)
}

func TestFositeRefusesAnotherVerifier(t *testing.T) {
	t.Parallel()
	client := startFosite(t).withSecret(t)
	login, err := client.StartCode(oauth.CodeConfig{RedirectURI: fositeRedirect})
	require.NoError(t, err)
	other, err := client.StartCode(oauth.CodeConfig{RedirectURI: fositeRedirect})
	require.NoError(t, err)
	answer := authorize(t, login.URL)
	login.Verifier = other.Verifier
	_, err = client.FinishCode(t.Context(), login, answer)
	require.ErrorIs(t, err, auth.ErrReauthRequired)
}

func TestFositeRevocation(t *testing.T) {
	t.Parallel()
	client := startFosite(t).withSecret(t)
	login, err := client.StartCode(oauth.CodeConfig{RedirectURI: fositeRedirect, Params: oauth.Params{Scopes: []string{"offline"}}})
	require.NoError(t, err)
	token, err := client.FinishCode(t.Context(), login, authorize(t, login.URL))
	require.NoError(t, err)
	require.NoError(t, client.Revoke(t.Context(), token.RefreshToken, "refresh_token"))
	refresher, err := client.Refresher(oauth.RefreshConfig{Key: "alice"})
	require.NoError(t, err)
	defer refresher.Close()
	require.NoError(t, refresher.Login(t.Context(), token))
	_, err = refresher.Token(t.Context())
	require.NoError(t, err)
	_, err = refresher.Token(t.Context())
	require.ErrorIs(t, err, auth.ErrReauthRequired)
}

func TestFositeAssertions(t *testing.T) {
	t.Parallel()
	s := startFosite(t)
	client, err := oauth.Mint(oauth.MintConfig{Key: s.clientKey, KeyID: "c1"})
	require.NoError(t, err)
	user, err := oauth.Mint(oauth.MintConfig{Key: s.userKey, KeyID: "u1", Issuer: "https://idp.example", Subject: "alice"})
	require.NoError(t, err)
	signer, err := oauth.New(oauth.Config{Endpoints: s.endpoints, ClientID: "signer", Auth: oauth.ClientAssertion(client)})
	require.NoError(t, err)
	credentials, err := signer.ClientCredentials(oauth.Params{Scopes: []string{"read"}})
	require.NoError(t, err)
	bearer, err := signer.JWTBearer(oauth.JWTBearerConfig{Params: oauth.Params{Scopes: []string{"read"}}, Assertion: user})
	require.NoError(t, err)
	for _, source := range []auth.Source{credentials, bearer} {
		for range 2 {
			_, err = source.Token(t.Context())
			require.NoError(t, err)
		}
	}

	// An assertion that comes twice is refused.
	var same auth.Secret
	replayed := func(ctx context.Context, r oauth.AssertionRequest) (auth.Secret, error) {
		if same.IsZero() {
			same, err = client(ctx, r)
		}
		return same, err
	}
	signer, err = oauth.New(oauth.Config{Endpoints: s.endpoints, ClientID: "signer", Auth: oauth.ClientAssertion(replayed)})
	require.NoError(t, err)
	credentials, err = signer.ClientCredentials(oauth.Params{})
	require.NoError(t, err)
	_, err = credentials.Token(t.Context())
	require.NoError(t, err)
	_, err = credentials.Token(t.Context())
	require.Error(t, err)
}
