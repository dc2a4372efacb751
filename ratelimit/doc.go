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
// # Who is next
//
// Those who wait for a key stand in three lanes, Interactive, Normal and Batch,
// that share the tokens as 15 to 4 to 1 ([WithPriority]). In a lane, the flows
// take turns: a customer with a thousand calls does not hold up one with two
// ([WithFlow], Config.Flow). In a flow, first come is first served. So every
// lane gets on, whatever comes, and at least one token in twenty goes to Batch.
//
// The wait is known on arrival. It is exact if nobody comes or leaves and each
// call costs one token, and else at most too long by less than a call for each
// lane and flow that is before it. Later it gets shorter when others leave, and
// longer when others come who go first, or when the server asks for a pause. A
// pause that comes while calls wait refuses at once those that it makes too
// late. Nobody polls, and there is no goroutine: who changes something grants
// the turns that have come, and one timer per key waits for the next.
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
// # What calls cost
//
// A call costs one token, or what [WithCost] says. What it has truly cost may
// be known only from its answer: Config.Cost and [Permit.Settle] charge or give
// back the difference.
//
// # Calls under way
//
// Config.MaxInFlight bounds the calls of a key that are under way, until the
// bodies of their answers are closed or their lease ends. With
// Config.AdaptiveConcurrency the limit is found out, and with Config.AdaptiveRate
// a rate is, for servers whose answers do not tell.
//
// # Other work
//
// [Limiter.Do] and [Limiter.Acquire] limit what is not an HTTP request. Config.Shadow tries
// a limit out without imposing it, [Limiter.Plan] tells how long a batch will
// take, and [Limiter.Snapshot] how things stand.
//
// # What this is not
//
// A bucket with Rate r and Burst b lets up to r×w+b requests through in a window
// of length w. For an API that counts strictly, choose Rate and Burst so that the
// sum stays within its limit. The limiter counts what this process sends: two
// processes that share a quota need half of it each.
package ratelimit
