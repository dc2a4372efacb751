// Package oauth gets access tokens from OAuth 2.0 authorization servers, for
// package auth to put on requests.
//
//	client, err := oauth.New(oauth.Config{
//		Endpoints: oauth.Endpoints{Token: "https://as.example/token"},
//		ClientID:  "my-service",
//		Auth:      oauth.SecretBasic(secret),
//	})
//	…
//	source, err := client.ClientCredentials(oauth.Params{Scopes: []string{"orders.read"}})
//	…
//	tokens, err := auth.NewCache(auth.CacheConfig{Source: source})
//
// A [Client] has the grants. Some speak for the program: [Client.ClientCredentials],
// [Client.JWTBearer] and [Client.Exchange] return an auth.Source. Others begin
// with a user: [Client.StartCode] or [Client.PushCode] for web servers,
// [Client.LoginLoopback] for programs with a browser beside them,
// [Client.StartDevice] for those without. What a user's login brings is kept fresh
// by a [Refresher]. [Discover] finds the endpoints.
//
// # The token endpoint is a dependency
//
// It is slow, down, overloaded and wrong like any other, and everything waits for
// it. So it has a chain of its own: repetitions, a circuit breaker, a time limit
// for each attempt, and a limit for the size of an answer. It never follows a
// redirect, which would hand the client's secret to somebody else. An answer
// must be what the protocol allows; what it is instead, an [*AnswerError] says
// without repeating it.
//
// What is repeated depends on the grant:
//
//	client credentials, JWT bearer, exchange, revocation    transport errors, 429 and 5xx
//	the beginning of a device login, pushing a login        transport errors, 429 and 5xx
//	refresh                                                 429 and 5xx; a lost answer once, see [Refresher]
//	authorization code, device code                         what was never sent
//
// A Retry-After of more than Config.Retry.MaxRetryAfter, two seconds by default,
// is not waited for. It is in the error, and an auth.Cache leaves the server
// alone for so long.
//
// # Refresh tokens that rotate
//
// Many servers replace the refresh token each time that it is used, and take a
// second use for a theft. A Refresher saves the new one before anybody uses the
// access token that came with it, in a [Store] that processes can share, under a
// lock where the Store has one. When the Store fails, memory goes on, and saving
// is tried again.
//
// # Clocks
//
// Lifetimes count from the moment at which a token was asked for. Assertions have
// the server's time, as it is known from the Date of its answers. If one is refused
// by the answer that shows the local clock to be wrong it is made once more, but
// for one-time codes.
//
// # When not to use it
//
// It does not verify tokens, the id_token of OpenID Connect among them: that is
// for package jwt. There is no password grant and no implicit grant, which OAuth
// 2.1 has dropped, no DPoP, and no way to guess how a server wants its clients to
// authenticate.
package oauth
