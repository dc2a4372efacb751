// Package jwt makes and verifies JSON Web Tokens (RFC 7519) that are signed (RFC
// 7515).
//
//	keys, err := jwt.NewJWKS(jwt.JWKSConfig{URL: "https://issuer.example/jwks.json"})
//	…
//	verifier, err := jwt.New(jwt.Config{
//		Keys:       keys,
//		Algorithms: []jwt.Algorithm{jwt.RS256},
//		Issuer:     "https://issuer.example/",
//		Audiences:  []string{"https://api.example.com"},
//	})
//	…
//	token, err := verifier.Verify(ctx, compact)
//
// # Verifying
//
// A [Verifier] takes tokens of one issuer, for one receiver, with the algorithms
// that it was told. None of the three has a default, and the header of a token
// decides about none of them. The token is read strictly: what passes has one
// meaning and one spelling, so that it can be told from another by its text.
// The strict reading, the choice of the key and the checks of the claims are
// this package's own; the signature is left to github.com/go-jose/go-jose/v4. Of
// the 355 signed messages that Project Wycheproof calls invalid 353 are refused;
// the other two are, byte for byte, one that it calls valid.
//
// [Verifier.Handler] guards a server with it and gives the answers of RFC 6750.
// [VerifyJWS] checks a signature over something that is not a token.
//
// # Keys
//
// A [JWKS] fetches the keys of an issuer and keeps them. It holds out against
// the two things that go wrong with that: an issuer that is down, and strangers
// who send tokens with invented key ids so that the keys are fetched anew each
// time. A [KeySet] is a list that does not change.
//
// # Making
//
// A [Minter] signs with any crypto.Signer, so that the key may stay in a key
// management service. [SelfSigned], [GitHubApp], [GoogleSelfSigned] and
// [GoogleServiceAccount] are configurations for it. It is an auth.Source: an
// auth.Cache in front of it signs once for many requests.
//
// # When not to use it
//
// Encrypted tokens (JWE), the JSON serializations of JWS, detached payloads and
// the extensions of the header member "crit" are refused. A session of a
// program with itself needs no token that others can read: use a random id.
package jwt
