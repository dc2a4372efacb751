package jwt_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

// One service signs a token, another lets it in.
func ExampleNew() {
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	minter, err := jwt.NewMinter(jwt.SelfSigned("orders", "billing", "orders-1", private))
	if err != nil {
		fmt.Println(err)
		return
	}
	compact, _, err := minter.Mint(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}

	key, err := jwt.PublicKey("orders-1", jwt.EdDSA, private.Public())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := jwt.New(jwt.Config{
		Keys:       jwt.KeySet{key},
		Algorithms: []jwt.Algorithm{jwt.EdDSA},
		Issuer:     "orders",
		Audiences:  []string{"billing"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := verifier.Verify(context.Background(), compact)
	fmt.Println(token.Subject, err)

	_, err = verifier.Verify(context.Background(), compact+"\n")
	fmt.Println(errors.Is(err, jwt.ErrInvalid), err)
	// Output:
	// orders <nil>
	// true jwt: invalid token: malformed: the signature is not base64url
}

// The header of a token does not say how it is to be verified.
func ExampleNew_incorrect() {
	_, err := jwt.New(jwt.Config{Keys: jwt.KeySet{}, Issuer: "orders", Audiences: []string{"billing"}})
	fmt.Println(err)
	// Output: jwt: the list of algorithms is empty: name the ones that the issuer uses
}

// Nothing is fetched before the first token comes.
func ExampleNewJWKS() {
	keys, err := jwt.NewJWKS(jwt.JWKSConfig{URL: "http://issuer.example/jwks.json"})
	fmt.Println(keys, err)
	// Output: <nil> jwt: JWKSConfig.URL is not https
}
