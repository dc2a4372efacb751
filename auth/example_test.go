package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// printing answers each request, and prints where it went with which
// credentials.
func printing(status func(*http.Request) int) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.URL.Host, req.Header.Get("Authorization")+req.Header.Get("X-Api-Key"))
		return &http.Response{StatusCode: status(req), Header: http.Header{"Location": {"https://elsewhere.example.net/"}}, Body: http.NoBody, Request: req}, nil
	})
}

func ok(*http.Request) int { return http.StatusOK }

func get(client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
}

func Example() {
	n := 0
	source := auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		n++ // here a program asks its authorization server
		return &auth.Token{AccessToken: auth.NewSecret(fmt.Sprint("token-", n)), ExpiresIn: time.Hour}, nil
	})
	tokens, err := auth.NewCache(auth.CacheConfig{Source: source})
	if err != nil {
		panic(err)
	}
	defer func() { _ = tokens.Close() }()
	guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(tokens)})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: guard.Wrap(printing(ok))}
	get(client, "https://api.example.com/v1")
	get(client, "https://api.example.com/v2")
	// Output:
	// api.example.com Bearer token-1
	// api.example.com Bearer token-1
}

// A redirect to another origin gets no credentials, and neither does what comes
// back from there.
func ExampleGuard_Wrap_redirect() {
	basic, err := auth.Basic(auth.BasicConfig{User: auth.NewSecret("Aladdin"), Password: auth.NewSecret("open sesame")})
	if err != nil {
		panic(err)
	}
	guard, err := auth.New(auth.Config{Authorizer: basic})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: guard.Wrap(printing(func(req *http.Request) int {
		if req.URL.Host == "api.example.com" {
			return http.StatusFound
		}
		return http.StatusOK
	}))}
	get(client, "https://api.example.com/")
	// Output:
	// api.example.com Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==
	// elsewhere.example.net
}

// While a key is replaced the program has both.
func ExampleAPIKey() {
	key, err := auth.APIKey(auth.KeyConfig{
		Name: "X-Api-Key",
		Keys: auth.Keys{First: auth.NewSecret("new"), Second: auth.NewSecret("old")},
	})
	if err != nil {
		panic(err)
	}
	guard, err := auth.New(auth.Config{Authorizer: key})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: guard.Wrap(printing(func(req *http.Request) int {
		if req.Header.Get("X-Api-Key") != "old" {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	}))}
	get(client, "https://api.example.com/1")
	get(client, "https://api.example.com/2")
	// Output:
	// api.example.com new
	// api.example.com old
	// api.example.com old
}

func ExampleNewKeyFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "api-key")
	if err := os.WriteFile(path, []byte("the-key\nthe-old-key\n"), 0o600); err != nil {
		panic(err)
	}
	file, err := auth.NewKeyFile(auth.KeyFileConfig{Path: path})
	if err != nil {
		panic(err)
	}
	key, err := auth.APIKey(auth.KeyConfig{Name: "Authorization", Prefix: "Bearer ", Keys: file})
	if err != nil {
		panic(err)
	}
	guard, err := auth.New(auth.Config{Authorizer: key})
	if err != nil {
		panic(err)
	}
	get(&http.Client{Transport: guard.Wrap(printing(ok))}, "https://api.example.com/")
	// Output: api.example.com Bearer the-key
}

func ExampleFromOAuth2() {
	// A config of golang.org/x/oauth2/clientcredentials makes one, for example.
	theirs := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "theirs"})
	tokens, err := auth.NewCache(auth.CacheConfig{Source: auth.FromOAuth2(theirs)})
	if err != nil {
		panic(err)
	}
	token, err := tokens.Token(context.Background())
	fmt.Println(token.AccessToken, token.AccessToken.Reveal(), err)
	// Output: [redacted] theirs <nil>
}

func ExampleToOAuth2() {
	ours := auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		return &auth.Token{AccessToken: auth.NewSecret("ours")}, nil
	})
	token, err := auth.ToOAuth2(context.Background(), ours).Token()
	fmt.Println(token.AccessToken, err)
	// Output: ours <nil>
}

func ExampleSecret() {
	password := auth.NewSecret("open sesame")
	fmt.Printf("%v %+v %q\n", password, struct{ Password auth.Secret }{password}, []auth.Secret{password})
	fmt.Println(len(password.Reveal()), password.Equal(auth.NewSecret("open sesame")))
	// Output:
	// [redacted] {Password:[redacted]} [[redacted]]
	// 11 true
}

// A Source that goes over the network must not be asked for each request.
func ExampleBearer_incorrect() {
	n := 0
	source := auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		n++
		return &auth.Token{AccessToken: auth.NewSecret(fmt.Sprint("token-", n)), ExpiresIn: time.Hour}, nil
	})
	guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(source)}) // instead of a Cache in front of it
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: guard.Wrap(printing(ok))}
	get(client, "https://api.example.com/v1")
	get(client, "https://api.example.com/v2")
	// Output:
	// api.example.com Bearer token-1
	// api.example.com Bearer token-2
}

// A login that has ended is told from a server that is down.
func ExampleTokenError() {
	tokens, err := auth.NewCache(auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		return nil, &auth.TokenError{Kind: auth.Permanent, Code: "invalid_grant", Status: http.StatusBadRequest}
	})})
	if err != nil {
		panic(err)
	}
	_, err = tokens.Token(context.Background())
	var failure *auth.TokenError
	switch {
	case errors.Is(err, auth.ErrReauthRequired):
		fmt.Println("log in again")
	case errors.As(err, &failure) && failure.Retryable():
		fmt.Println("again in", failure.RetryAfter())
	}
	// Output: log in again
}

// The credentials of a request are for HTTPS.
func ExampleConfig_plainHTTP() {
	token, err := auth.StaticBearer(auth.NewSecret("mF_9.B5f-4.1JqM"))
	if err != nil {
		panic(err)
	}
	guard, err := auth.New(auth.Config{Authorizer: token})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: guard.Wrap(printing(ok))}
	_, err = client.Post("http://api.example.com/", "text/plain", strings.NewReader("x"))
	fmt.Println(errors.Is(err, auth.ErrInsecure))
	get(client, "http://localhost:8080/")
	// Output:
	// true
	// localhost:8080 Bearer mF_9.B5f-4.1JqM
}
