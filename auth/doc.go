// Package auth puts credentials on requests: access tokens, API keys, user and
// password, or whatever else an [Authorizer] makes of a request.
//
//	tokens, err := auth.NewCache(auth.CacheConfig{Source: source})
//	…
//	guard, err := auth.New(auth.Config{Authorizer: auth.Bearer(tokens)})
//	…
//	client.Transport = guard.Wrap(client.Transport)
//
// A [Guard] belongs right around the transport, below retry, so that each
// attempt has fresh credentials:
//
//	holdfast.Chain(http.DefaultTransport, retries.Wrap, limits.Wrap, circuits.Wrap, patience, guard.Wrap)
//
// # Where credentials go
//
// Only to the origin (scheme, host and port) that the program itself has sent
// the request to. A redirect away from there gets none, neither does one that
// comes back from elsewhere, and one whose way is not known. That holds for all
// kinds: fields of the header, parameters of the query, cookies and signatures.
// Config.Origins says more closely where they belong. Plain HTTP is refused,
// but for loopback addresses. A key that was put into the query is taken out of
// the Location of the answer, if the server repeats it there.
//
// What the caller has put on a request itself is replaced if it is of the same
// kind. It goes where http.Client sends it: the rule above is not for that.
//
// # A 401
//
// The credential that the 401 was the answer to is given up: a [Cache] drops
// that token, unless it has another one already, and an API key gives way to
// the second one, if there is one. Then the request is sent again, once, with
// its body. [ReplaysOf] and Hooks.Replay count that. A body that was read from
// a stream and is longer than Config.MaxBuffer cannot be sent again, so the
// caller gets the 401, and the next request has the new credential. The
// repetition shares the deadline of the attempt.
//
// # Tokens
//
// A [Source] gives out tokens, and a [Cache] in front of it makes it one that
// can be asked for each request: without a lock while the token is good, renewed
// before it expires, with one question for all who wait and an answer at once
// for all who come too soon after a failure.
//
// # Secrets
//
// A [Secret] does not print. No error of this package has one in its text, nor
// does the URL of a transport's error that passes through it, nor the Request
// of a response. What a transport, a proxy or a server writes into its own
// logs, nobody here can help: prefer the header to the query.
//
// # When not to use it
//
// For mutual TLS, configure the transport. Where an SDK signs requests itself,
// let it.
package auth
