package httpsig_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/httpsig"
)

// A service signs its requests, another lets none pass that is not signed.
func Example() {
	shared := auth.NewSecret("a secret of at least thirty-two bytes")
	key, err := httpsig.SecretKey(shared)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := httpsig.NewVerifier(httpsig.VerifierConfig{
		Keys: httpsig.Keys(map[string][]httpsig.Key{"orders-1": {key}}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(verifier.Handler(nil)(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		signature, _ := httpsig.FromContext(req.Context())
		fmt.Println("from", signature.KeyID)
	})))
	defer server.Close()

	signer, err := httpsig.New(httpsig.Config{Secret: shared, KeyID: "orders-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, transport := range []http.RoundTripper{signer.Wrap(nil), http.DefaultTransport} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/things?q=1", http.NoBody)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.StatusCode)
		_ = resp.Body.Close()
	}
	// Output:
	// from orders-1
	// 200
	// 401
}

// An API has a form of its own: time, method, path and body, signed in hex.
func ExampleNewHMAC() {
	h, err := httpsig.NewHMAC(httpsig.HMACConfig{
		Secret: auth.NewSecret("a secret of at least thirty-two bytes"),
		KeyID:  "orders-1",
		Scheme: httpsig.Scheme{
			Form:   func(p httpsig.Parts) string { return p.Timestamp + "\n" + p.Method + "\n" + p.Path + "\n" + p.BodyHash },
			Fields: httpsig.Fields{KeyID: "ACCESS-KEY", Timestamp: "ACCESS-TIMESTAMP", Signature: "ACCESS-SIGN"},
		},
	})
	fmt.Println(h, err)
	// Output: httpsig.HMAC("orders-1") <nil>
}

// A misspelt component is an error, not a signature that covers nothing.
func ExampleNew_incorrect() {
	_, err := httpsig.New(httpsig.Config{
		Secret:     auth.NewSecret("a secret of at least thirty-two bytes"),
		Components: []string{"@method", "@uri"},
	})
	fmt.Println(err)
	// Output: httpsig: component "@uri": is unknown
}
