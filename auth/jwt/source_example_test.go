package jwt_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/jwt"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// A service signs its own tokens, once for the requests of some minutes.
func ExampleSelfSigned() {
	key := ed25519.NewKeyFromSeed(make([]byte, 32)) // or any other crypto.Signer
	tokens, err := minted(jwt.SelfSigned("orders", "billing", "orders-1", key))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()
	guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(tokens)})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: guard.Wrap(stub{http.StatusOK, `{"invoices":[]}`})}
	resp, err := client.Get("https://billing.example/invoices")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}

// minted returns tokens that are signed anew before they expire.
func minted(c jwt.MinterConfig) (*auth.Cache, error) {
	minter, err := jwt.NewMinter(c)
	if err != nil {
		return nil, err
	}
	return auth.NewCache(auth.CacheConfig{Source: minter})
}

// show prints a token, which does not give it away. A program puts it on requests,
// with auth.Bearer(tokens).
func show(tokens auth.Source) {
	token, err := tokens.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.AccessToken)
}

// A GitHub App shows its own token only where it gets one for an installation,
// with which it does its work. Both are cached.
func ExampleGitHubApp() {
	app, err := minted(jwt.GitHubApp("Iv1.0123456789abcdef", rsaKey()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	asApp, err := auth.New(auth.Config{Authorizer: auth.Bearer(app), Origins: []string{"https://api.github.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	github := stub{http.StatusCreated, `{"token":"ghs_16C7e42F292c6912E7710c838347Ae178B4a","expires_at":"2099-01-01T00:00:00Z"}`}
	client := &http.Client{Transport: asApp.Wrap(github)} // nil instead of github
	tokens, err := auth.NewCache(auth.CacheConfig{Source: auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
		return installationToken(ctx, client, "42")
	})})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()
	show(tokens)
	// Output: [redacted]
}

// installationToken asks GitHub for the token of an installation.
func installationToken(ctx context.Context, client *http.Client, id string) (*auth.Token, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.github.com/app/installations/"+id+"/access_tokens", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("github: status %d", resp.StatusCode)
	}
	var answer struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, errors.New("github: the answer is not JSON")
	}
	// GitHub's clock counts, if it tells the time.
	date, _ := http.ParseTime(resp.Header.Get("Date"))
	return &auth.Token{AccessToken: auth.NewSecret(answer.Token), Expiry: answer.ExpiresAt, Date: date}, nil
}

// Many of Google's APIs take tokens that the account has signed itself.
func ExampleGoogleSelfSigned() {
	tokens, err := minted(jwt.GoogleSelfSigned("robot@project.iam.gserviceaccount.com", "k1", rsaKey(), "https://www.googleapis.com/auth/pubsub"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()
	show(tokens)
	// Output: [redacted]
}

// Where Google wants an access token, package oauth exchanges an assertion for it.
func ExampleGoogleServiceAccount() {
	google := authtest.NewServer(authtest.ServerConfig{})
	defer google.Close()
	minter, err := jwt.NewMinter(jwt.GoogleServiceAccount("robot@project.iam.gserviceaccount.com", "k1", rsaKey(), "https://www.googleapis.com/auth/drive"))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauth.New(oauth.Config{
		Endpoints: oauth.Endpoints{Token: google.URL("token")}, // https://oauth2.googleapis.com/token
		ClientID:  "robot@project.iam.gserviceaccount.com",
		Auth:      oauth.Public(),
		Transport: google.Transport(), // leave it out
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := client.JWTBearer(oauth.JWTBearerConfig{Assertion: func(ctx context.Context, _ oauth.AssertionRequest) (auth.Secret, error) {
		assertion, _, err := minter.Mint(ctx)
		return auth.NewSecret(assertion), err
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := auth.NewCache(auth.CacheConfig{Source: source})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()
	show(tokens)
	// Output: [redacted]
}

// stub stands for the network and a server that wants a JWT.
type stub struct {
	status int
	body   string
}

func (s stub) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ey") {
		return nil, errors.New("there is no JWT")
	}
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s.body)), Request: req}, nil
}
