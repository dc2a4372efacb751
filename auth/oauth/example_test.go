package oauth_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// exampleClient returns a client of a server in memory.
func exampleClient() (*oauth.Client, *authtest.Server) {
	server := authtest.NewServer(authtest.ServerConfig{ClientID: "my-service", ClientSecret: "s3cr3t"})
	client, err := oauth.New(oauth.Config{
		Endpoints: oauth.Endpoints{
			Issuer: server.Issuer(), Token: server.URL("token"), Authorization: server.URL("authorize"), Device: server.URL("device"),
		},
		ClientID:  "my-service",
		Auth:      oauth.SecretBasic(auth.NewSecret("s3cr3t")),
		Transport: server.Transport(), // leave it out for a real server
	})
	if err != nil {
		panic(err)
	}
	return client, server
}

func ExampleClient_ClientCredentials() {
	client, server := exampleClient()
	defer server.Close()
	source, err := client.ClientCredentials(oauth.Params{Scopes: []string{"orders.read"}})
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
	// Put it on requests with auth.Bearer(tokens).
	for range 3 {
		token, err := tokens.Token(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(token.AccessToken, token.Scopes)
	}
	fmt.Println("requests:", len(server.Requests()))
	// Output:
	// [redacted] [orders.read]
	// [redacted] [orders.read]
	// [redacted] [orders.read]
	// requests: 1
}

func ExampleClient_StartCode() {
	client, server := exampleClient()
	defer server.Close()
	login, err := client.StartCode(oauth.CodeConfig{RedirectURI: "https://app.example/callback"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Keep login in the user's session, and send the browser to login.URL. This
	// is what it comes back with:
	answer := browse(server, login.URL)
	token, err := client.FinishCode(context.Background(), login, answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.AccessToken, token.RefreshToken)
	// Output: [redacted] [redacted]
}

// browse stands for the user's browser.
func browse(server *authtest.Server, page string) url.Values {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, page, nil)
	if err != nil {
		panic(err)
	}
	resp, err := server.Transport().RoundTrip(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		panic(err)
	}
	return back.Query()
}

// What a login has brought is kept in a store, and refreshed for as long as the
// server lets it.
func ExampleClient_Refresher() {
	client, server := exampleClient()
	defer server.Close()
	refresher, err := client.Refresher(oauth.RefreshConfig{
		Store: new(oauth.MemoryStore), // a FileStore, or your own, to outlive the process
		Key:   "alice",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer refresher.Close()
	tokens, err := auth.NewCache(auth.CacheConfig{Source: refresher})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()

	ctx := context.Background()
	_, err = tokens.Token(ctx)
	fmt.Println("log in:", errors.Is(err, auth.ErrReauthRequired))

	// From FinishCode, LoginLoopback or DeviceLogin.Wait:
	token := &auth.Token{AccessToken: auth.NewSecret("a"), RefreshToken: auth.NewSecret(server.Login()), Expiry: time.Now()}
	if err := refresher.Login(ctx, token); err != nil {
		fmt.Println(err)
		return
	}
	tokens.Reset()
	_, err = tokens.Token(ctx)
	fmt.Println("token:", err == nil)
	// Output:
	// log in: true
	// token: true
}

// A key in a file or in a key management service takes the place of a secret.
func ExampleMint() {
	_, key, err := ed25519.GenerateKey(nil) // or any other crypto.Signer
	if err != nil {
		fmt.Println(err)
		return
	}
	assertion, err := oauth.Mint(oauth.MintConfig{Key: key, KeyID: "2026-11"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauth.New(oauth.Config{
		Endpoints: oauth.Endpoints{Token: "https://as.example/token"},
		ClientID:  "my-service",
		Auth:      oauth.ClientAssertion(assertion),
	})
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// One refresh token for two Refreshers is not a login for two: each use makes a
// new one, and the server takes the second use of the old one for a theft. Share
// one Refresher, or one Store between processes.
func ExampleClient_Refresher_incorrect() {
	client, server := exampleClient()
	defer server.Close()
	login := &auth.Token{AccessToken: auth.NewSecret("a"), RefreshToken: auth.NewSecret(server.Login()), Expiry: time.Now()}
	for range 2 {
		refresher, err := client.Refresher(oauth.RefreshConfig{Key: "alice"}) // each has a store of its own
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := refresher.Login(context.Background(), login); err != nil {
			fmt.Println(err)
			return
		}
		_, err = refresher.Token(context.Background())
		fmt.Println(err)
		_ = refresher.Close() // it has a store that cannot fail
	}
	// Output:
	// <nil>
	// auth: no token: permanent failure, status 400, invalid_grant
}
