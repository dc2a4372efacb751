// Package holdfast makes a program's calls to other people's HTTP APIs survive
// the real world: providers that are down, slow, overloaded, or cut the
// connection when the work is half done.
//
// Each part is a middleware around an [http.RoundTripper], in a package of its
// own that can be used alone. This package puts them together. An existing
// client keeps its settings and gets a new Transport:
//
//	circuits, err := breaker.New(breaker.Config{})
//	…
//	limits, err := ratelimit.New(ratelimit.Config{Rate: 20, Ready: circuits.Ready})
//	…
//	retries, err := retry.New(retry.Config{})
//	…
//	patience := retry.AttemptTimeout(5 * time.Second)
//	client.Transport = holdfast.Chain(client.Transport, retries.Wrap, limits.Wrap, circuits.Wrap, patience)
//
// # The order
//
// The first middleware given to [Chain] is the outermost. This order works, and
// each place has its reason. Leave out what you do not need:
//
//	holdfast.Chain(http.DefaultTransport, answers.Wrap, retries.Wrap, limits.Wrap, circuits.Wrap, patience, guard.Wrap)
//
//	fallback     sees what a call came to, and turns a failure into a degraded answer
//	 retry        one logical call, many attempts; everything below happens once per attempt
//	  limit        asks the circuit first, waits for its turn, or refuses at once when the deadline can't be met
//	   breaker      an open circuit ends the attempt here; the limiter takes its token back
//	    timeout      the attempt's own clock: waiting above does not count
//	     auth         credentials for this attempt; one replay after a 401
//	      transport    net/http
//	   breaker      counts the outcome when the body has been read or closed
//	  limit        learns from a 429 or 503 with Retry-After: the whole key pauses
//	 retry        waits and goes down again, or returns what it has
//	fallback     serves another answer if that was a failure
//
// With retry inside the limiter, repeated attempts would go out unlimited. With
// the breaker outside the limiter, time in the queue would look like a slow
// upstream, and a half-open circuit's probe would stand in line. The attempt's
// time limit stands below the breaker, which counts its end as a failure; the
// end of the caller's own deadline counts as nothing. Below retry, a fallback
// would hide each failure from it. Above retry, auth would send an old token with
// every attempt; where it stands, a token endpoint that hangs is cut off by the
// attempt's time limit too.
//
// # How the parts work together
//
// The packages do not import each other. A refusal is an error with methods:
// Retryable and RetryAfter tell retry whether and when to come again, NotSent
// tells retry that even a POST may be sent again, and the limiter that its token
// was not used. Errors of other middlewares that have these methods are
// treated alike.
//
// All of it keeps the contract of RoundTripper: the request is not changed, its
// body is closed exactly once, any answer comes back with a nil error, bodies
// stream in both directions, and nothing is left running.
package holdfast
