// Package httpsig signs HTTP messages and verifies their signatures: as RFC 9421,
// "HTTP Message Signatures", says, with the digest of the body of RFC 9530, or
// with a secret and any canonical form that an API has made up.
//
//	signer, err := httpsig.New(httpsig.Config{Key: privateKey, KeyID: "orders-2025"})
//	…
//	client := &http.Client{Transport: signer.Wrap(http.DefaultTransport)}
//
// and on the other side
//
//	key, err := httpsig.PublicKey(httpsig.Ed25519, publicKey)
//	…
//	verifier, err := httpsig.NewVerifier(httpsig.VerifierConfig{
//		Keys: httpsig.Keys(map[string][]httpsig.Key{"orders-2025": {key}}),
//	})
//	…
//	http.ListenAndServe(addr, verifier.Handler(nil)(mux))
//
// A [Signer] and an [HMAC] are middlewares. They belong below the retries, next
// to the transport: each attempt then has a signature of its own time and nonce,
// and nothing changes the request after it was signed.
//
// # What is signed
//
// The method, the host, the path and the query as they are sent, and the body,
// unless the configuration says otherwise. What cannot be signed as it was asked
// for is an error and never an empty line: a field that is missing, a component
// that is unknown, a query parameter that is there twice.
//
// # What is verified
//
// A [Verifier] demands that the signature covers what it must, is not too old,
// and was made by a key of its id. An id that is unknown takes the same path as
// a signature that is wrong. A captured request can be sent again as long as its
// signature is young; VerifierConfig.Nonce is the place to notice that.
//
// # When not to use it
//
// Trailers can't be signed, and neither can fields that net/http adds on its
// way, such as Accept-Encoding or User-Agent, unless the caller sets them. For
// webhooks use package webhook, which knows the schemes of the providers.
package httpsig
