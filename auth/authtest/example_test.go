package authtest_test

import (
	"context"
	"fmt"

	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/retry"
)

// The server fails as it is told, and then does well again.
func ExampleServer_Fail() {
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	server.Fail(authtest.Fault{Status: 200, Body: "<html>", Header: []string{"Content-Type", "text/html"}})
	client, err := oauth.New(oauth.Config{ // the code under test
		Endpoints: oauth.Endpoints{Token: server.URL("token")},
		ClientID:  "my-service",
		Auth:      oauth.Public(),
		Transport: server.Transport(),
		Retry:     retry.Config{MaxAttempts: -1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := client.ClientCredentials(oauth.Params{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		_, err = source.Token(context.Background())
		fmt.Println(err)
	}
	// Output:
	// auth: no token: protocol failure, status 200: oauth: https://as.example/token: the answer is of no use: it is not JSON by its content type (status 200, content type "text/html", 6 bytes)
	// <nil>
}
