package oauth_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// The endpoints come from the server itself.
func ExampleDiscover() {
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	metadata, err := oauth.Discover(context.Background(), oauth.DiscoverConfig{
		Issuer:    "https://as.example",
		OpenID:    true,               // most servers have these metadata
		Transport: server.Transport(), // leave it out for a real server
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauth.New(oauth.Config{Endpoints: metadata.Endpoints, ClientID: "my-service", Auth: oauth.Public()})
	fmt.Println(client != nil, err, metadata.Endpoints.Token)
	// Output: true <nil> https://as.example/token
}

// Where the server takes only pushed logins, nothing of them goes through the
// browser.
func ExampleClient_PushCode() {
	server := authtest.NewServer(authtest.ServerConfig{RequirePushed: true})
	defer server.Close()
	client, err := oauth.New(oauth.Config{
		Endpoints: oauth.Endpoints{
			Token: server.URL("token"), Authorization: server.URL("authorize"), PushedAuthorization: server.URL("par"),
		},
		ClientID:  "my-service",
		Auth:      oauth.Public(),
		Transport: server.Transport(), // leave it out for a real server
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := client.PushCode(context.Background(), oauth.CodeConfig{RedirectURI: "https://app.example/callback"})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := url.Parse(login.URL) // send the browser there, then FinishCode
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Query().Has("request_uri"), u.Query().Has("redirect_uri"))
	// Output: true false
}
