package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/retry"
)

// authenticate lets a complete a request for the client with that id.
func authenticate(t testing.TB, a oauth.ClientAuth, id string) *oauth.ClientRequest {
	t.Helper()
	r := &oauth.ClientRequest{
		AssertionRequest: oauth.AssertionRequest{ClientID: id, Audience: "https://as.example", Now: time.Unix(1e9, 0)},
		Form:             url.Values{}, Header: http.Header{},
	}
	require.NoError(t, a.Authenticate(t.Context(), r))
	return r
}

func TestSecretBasic(t *testing.T) {
	t.Parallel()
	// RFC 6749, section 2.3.1.
	r := authenticate(t, oauth.SecretBasic(auth.NewSecret("gX1fBat3bV")), "s6BhdRkqt3")
	require.Equal(t, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW", r.Header.Get("Authorization"))
	require.Empty(t, r.Form)
	r = authenticate(t, oauth.SecretBasic(auth.NewSecret("s3cret/:+ &")), "a:b")
	require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("a%3Ab:s3cret%2F%3A%2B+%26")), r.Header.Get("Authorization"))
	r = authenticate(t, oauth.SecretBasicRaw(auth.NewSecret("s3cret/:+ &")), "a")
	require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("a:s3cret/:+ &")), r.Header.Get("Authorization"))
}

func TestFormAuthentication(t *testing.T) {
	t.Parallel()
	r := authenticate(t, oauth.SecretPost(auth.NewSecret("s")), "id")
	require.Equal(t, url.Values{"client_id": {"id"}, "client_secret": {"s"}}, r.Form)
	for _, a := range []oauth.ClientAuth{oauth.Public(), oauth.TLSClientAuth()} {
		r = authenticate(t, a, "id")
		require.Equal(t, url.Values{"client_id": {"id"}}, r.Form)
		require.Empty(t, r.Header)
	}
}

func TestServerTakesEachWay(t *testing.T) {
	t.Parallel()
	const secret = "s3cret/:+ &ü"
	for name, a := range map[string]oauth.ClientAuth{
		"basic": oauth.SecretBasic(auth.NewSecret(secret)), "post": oauth.SecretPost(auth.NewSecret(secret)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := authtest.NewServer(authtest.ServerConfig{ClientID: "client", ClientSecret: secret})
				defer server.Close()
				c := configOf(server)
				c.Auth = a
				_, err := credentials(t, newClient(t, c)).Token(t.Context())
				require.NoError(t, err)
				c.Auth = oauth.SecretPost(auth.NewSecret("wrong"))
				_, err = credentials(t, newClient(t, c)).Token(t.Context())
				require.Equal(t, auth.Permanent, tokenError(t, err).Kind)
				require.Equal(t, "invalid_client", tokenError(t, err).Code)
			})
		})
	}
}

func TestAnEmptySecretIsNotSent(t *testing.T) {
	t.Parallel()
	for _, a := range []oauth.ClientAuth{oauth.SecretBasic(auth.Secret{}), oauth.SecretPost(auth.Secret{}), oauth.ClientAssertion(nil)} {
		c := oauth.Config{Endpoints: oauth.Endpoints{Token: "https://as.example/token"}, ClientID: "c", Auth: a, Transport: nowhere{t}}
		_, err := credentials(t, newClient(t, c)).Token(t.Context())
		require.Equal(t, auth.Permanent, tokenError(t, err).Kind)
	}
}

// opened returns the parts of a JWT, whose signature must be good.
func opened(t testing.TB, token string, key crypto.PublicKey) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	var raw [3][]byte
	for i, p := range parts {
		var err error
		raw[i], err = base64.RawURLEncoding.DecodeString(p)
		require.NoError(t, err)
	}
	require.NoError(t, json.Unmarshal(raw[0], &header))
	require.NoError(t, json.Unmarshal(raw[1], &claims))
	input, signature := []byte(parts[0]+"."+parts[1]), raw[2]
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[strings.TrimLeft(header["alg"].(string), "RSPE")]
	digest := input
	if hash != 0 {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if strings.HasPrefix(header["alg"].(string), "PS") {
			require.NoError(t, rsa.VerifyPSS(key, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		} else {
			require.NoError(t, rsa.VerifyPKCS1v15(key, hash, digest, signature))
		}
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		require.Equal(t, (key.Curve.Params().BitSize+7)/8, half)
		require.True(t, ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])))
	case ed25519.PublicKey:
		require.True(t, ed25519.Verify(key, input, signature))
	default:
		t.Fatalf("no key: %T", key)
	}
	return header, claims
}

func TestMint(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"RS256": rsaKey, "RS384": rsaKey, "RS512": rsaKey, "PS256": rsaKey, "PS384": rsaKey, "PS512": rsaKey, "EdDSA": edKey}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		keys[alg], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
	}
	for alg, key := range keys {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			mint, err := oauth.Mint(oauth.MintConfig{Key: key, Algorithm: alg, KeyID: "16", Header: map[string]any{"x5t#S256": "t"}, Claims: map[string]any{"scope": "a"}})
			require.NoError(t, err)
			seen := make(map[any]bool)
			for range 3 {
				r := authenticate(t, oauth.ClientAssertion(mint), "s6BhdRkqt3")
				require.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", r.Form.Get("client_assertion_type"))
				header, claims := opened(t, r.Form.Get("client_assertion"), key.Public())
				require.Equal(t, map[string]any{"alg": alg, "kid": "16", "typ": "JWT", "x5t#S256": "t"}, header)
				require.False(t, seen[claims["jti"]], "each has an id of its own")
				seen[claims["jti"]] = true
				delete(claims, "jti")
				require.Equal(t, map[string]any{
					"iss": "s6BhdRkqt3", "sub": "s6BhdRkqt3", "aud": "https://as.example", "iat": 1e9, "exp": 1e9 + 300.0, "scope": "a",
				}, claims)
			}
		})
	}
	mint, err := oauth.Mint(oauth.MintConfig{Key: edKey, Issuer: "https://jwt-idp.example.com", Subject: "mailto:mike@example.com", Audience: "https://jwt-rp.example.net", Lifetime: time.Minute})
	require.NoError(t, err)
	token, err := mint(t.Context(), oauth.AssertionRequest{ClientID: "c", Now: time.Unix(1e9, 0)})
	require.NoError(t, err)
	header, claims := opened(t, token.Reveal(), edKey.Public())
	require.Equal(t, map[string]any{"alg": "EdDSA", "typ": "JWT"}, header)
	delete(claims, "jti")
	require.Equal(t, map[string]any{
		"iss": "https://jwt-idp.example.com", "sub": "mailto:mike@example.com", "aud": "https://jwt-rp.example.net", "iat": 1e9, "exp": 1e9 + 60.0,
	}, claims)
}

// liar is a signer whose signatures are none.
type liar struct {
	crypto.Signer
	err error
}

func (l liar) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return []byte{0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01}, l.err // r is 0
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{
		"nil":           nil,
		"nil RSA":       (*rsa.PrivateKey)(nil),
		"nil ECDSA":     (*ecdsa.PrivateKey)(nil),
		"nil Ed25519":   ed25519.PrivateKey(nil),
		"empty RSA":     &rsa.PrivateKey{},
		"empty ECDSA":   &ecdsa.PrivateKey{},
		"empty Ed25519": ed25519.PrivateKey{},
		"short Ed25519": make(ed25519.PrivateKey, ed25519.PrivateKeySize-1),
	} {
		_, err := oauth.Mint(oauth.MintConfig{Key: key})
		require.ErrorContains(t, err, "oauth: MintConfig.Key", name)
	}
	for text, c := range map[string]oauth.MintConfig{
		"Key is nil":             {},
		"must have 2048 to 8192": {Key: small},
		"no point of a curve":    {Key: p224},
		"does not go with":       {Key: p256, Algorithm: "RS256"},
		`"none": does not go`:    {Key: p256, Algorithm: "none"},
		"Lifetime is 2h0m0s":     {Key: p256, Lifetime: 2 * time.Hour},
		"Header has alg":         {Key: p256, Header: map[string]any{"alg": "none"}},
		"Claims has exp":         {Key: p256, Claims: map[string]any{"exp": 1}},
		"MintConfig.Claims: jso": {Key: p256, Claims: map[string]any{"x": func() {}}},
	} {
		_, err := oauth.Mint(c)
		require.ErrorContains(t, err, text)
	}
	for _, l := range []liar{{Signer: p256}, {Signer: p256, err: errors.New("the key is locked away")}} {
		mint, err := oauth.Mint(oauth.MintConfig{Key: l})
		require.NoError(t, err)
		_, err = mint(t.Context(), oauth.AssertionRequest{ClientID: "c"})
		require.ErrorContains(t, err, "sign with ES256: the")
	}
}

func TestAssertionIsNewForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		mint, err := oauth.Mint(oauth.MintConfig{Key: key})
		require.NoError(t, err)
		c := configOf(server)
		c.Retry, c.Auth = retry.Config{}, oauth.ClientAssertion(mint)
		source, err := newClient(t, c).JWTBearer(oauth.JWTBearerConfig{Assertion: mint})
		require.NoError(t, err)
		server.Fail(authtest.Fault{Status: 500}, authtest.Fault{Break: true})
		_, err = source.Token(t.Context())
		require.NoError(t, err)
		seen := make(map[string]bool)
		for _, r := range server.Requests() {
			for _, name := range []string{"client_assertion", "assertion"} {
				require.False(t, seen[r.Form.Get(name)])
				seen[r.Form.Get(name)] = true
			}
		}
		require.Len(t, seen, 6)
	})
}

func TestAssertionFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	assertion := oauth.AssertionFile(path)
	_, err := assertion(t.Context(), oauth.AssertionRequest{})
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, content := range []string{"first", "second\n"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		r := authenticate(t, oauth.ClientAssertion(assertion), "c")
		require.Equal(t, strings.TrimSpace(content), r.Form.Get("client_assertion"), "it is read each time")
	}
	for _, content := range []string{"", "a\nb", strings.Repeat("x", 1<<17)} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.Error(t, oauth.ClientAssertion(assertion).Authenticate(t.Context(), &oauth.ClientRequest{Form: url.Values{}}))
	}
}

// TestNothingLeaks looks for what a client sends in everything that it says.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		canary := authtest.NewCanary()
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		secret, assertion, subject := canary.Secret("client secret"), canary.Secret("assertion"), canary.Secret("subject token")
		said := canary.Secret("access token")
		for name, a := range map[string]oauth.ClientAuth{"Basic": oauth.SecretBasic(auth.NewSecret(secret)), "post": oauth.SecretPost(auth.NewSecret(secret))} {
			c := configOf(server)
			c.Auth = a
			client := newClient(t, c)
			canary.Check(t, "client", client, c)
			bearer, err := client.JWTBearer(oauth.JWTBearerConfig{Assertion: func(context.Context, oauth.AssertionRequest) (auth.Secret, error) {
				return auth.NewSecret(assertion), nil
			}})
			require.NoError(t, err)
			exchange, err := client.Exchange(oauth.ExchangeConfig{Subject: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
				return &auth.Token{AccessToken: auth.NewSecret(subject)}, nil
			})})
			require.NoError(t, err)
			for sent, source := range map[string]auth.Source{assertion: bearer, subject: exchange} {
				echo := secret + " " + sent
				if name == "Basic" {
					echo += " " + base64.StdEncoding.EncodeToString([]byte("client:"+secret))
				}
				for _, fault := range []authtest.Fault{
					{Status: 400, Body: `{"error":"invalid_request","error_description":"got ` + echo + `"}`},
					{Status: 400, Body: `{"error":"` + sent + `"}`},
					{Status: 200, Body: echo, Header: []string{"Content-Type", "text/" + secret}},
					{Status: 200, Body: `{"access_token":"` + said + `","token_type":"` + secret + `"}`},
					{Status: 200, Body: `{"access_token":"` + said + `","token_type":"Bearer","id_token":"` + sent + `"}`},
					{Status: 503, Body: echo},
					{Break: true},
					{Refuse: true},
					{Hang: true},
				} {
					server.Fail(fault)
					token, err := source.Token(t.Context())
					if err != nil {
						canary.Check(t, "error", err)
					} else {
						canary.Check(t, "token", token, *token)
					}
				}
			}
		}
	})
}
