// Package ratelimit keeps a program within the request rates that other
// people's APIs allow.
//
//	limiter, err := ratelimit.New(ratelimit.Config{Rate: 20, Burst: 5})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
//
// Each key, by default each scheme, host and port, has a token bucket of
// golang.org/x/time/rate. A request that finds a token goes at once and costs
// no allocation. Another waits for its turn, unless the turn would come after
// the deadline of its context or after Config.MaxWait: then it gets an [*Error]
// at once that says how long the wait would have been, and costs nothing.
//
// # What servers say
//
// A 429 or 503 with Retry-After holds the whole key: nobody sends, until the
// time is over, whichever caller got the answer. Those who were asleep in the
// queue wait on and then go at the rate again, not all together. A hold is
// never shortened by a later answer, and never longer than
// Config.MaxRetryAfter.
//
// # Tokens that come back
//
// A request that an open circuit breaker refuses below has used nothing of the
// quota. The limiter knows it by the method NotSent of the error and puts the
// token back. With Config.Ready set to the breaker's Ready, such a request does
// not even queue.
//
// # What this is not
//
// A bucket with Rate r and Burst b lets up to r×w+b requests through in a window
// of length w. For an API that counts strictly, choose Rate and Burst so that the
// sum stays within its limit. The limiter counts what this process sends: two
// processes that share a quota need half of it each.
package ratelimit
