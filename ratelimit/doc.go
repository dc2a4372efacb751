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
// Most servers tell in the fields of their answers what is left of their quotas
// and when they start anew. The limiter reads them in the dialects of some 35
// APIs ([Auto], [Config].Dialect), works out how fast calls may go, and plans
// anew with each answer. Nothing has to be configured; a Rate of one's own is
// then a cap that no answer can lift. [Config].IgnoreQuotas switches it off.
//
//	Threshold  as fast as it can until less than a fifth is left, then evenly until the reset
//	Spread     evenly from the beginning; leaves others on the same quota as much as they take
//	Burst      as fast as it can, then nothing until the reset
//
// Threshold is the default: a program that needs ten calls of a quota of sixty
// an hour gets them at once, where Spread would take ten minutes. Spread costs
// some percent of the quota when alone; in return there are no pauses, and
// replicas and other programs on the same quota find something left at any time:
// choose it for these. [Config].Reserve keeps a share of each quota for the lane
// Interactive.
//
// Calls that are on their way are taken off what an answer says is left, since
// the server may not have counted them. What remains only falls within a window,
// so the order of answers does not matter. Times count from the answer, by the
// Date of the server, so wrong clocks don't matter either. A limit is believed
// to grow to twice its size from one window to the next, not more. Quotas with
// several units and windows must all admit: [WithCost] counts in those of
// requests and of points, [WithUnits] in the others, such as tokens.
//
// Ignored are: answers from a cache (Age is positive), redirects that say that
// nothing is left, quotas of concurrent requests, trailers, and fields that are
// malformed, of which a hook tells. A remaining that is 0 from the beginning is
// ignored when three calls in a row have been served all the same. As long as a server has said nothing, its
// first 16 answers and one in 64 of the later ones are read, and all that have
// the status of an error. Into the body of a 403, 429, 503 or 529 it looks for
// 100 ms at most; into one that has said nothing eight times in a row, and is
// known by its status and its length, once a second.
//
// # What holds
//
// A throttle holds the bucket for everybody, whichever caller got it: a 429 or
// 529, a 403 or 503 with evidence that a limit was the reason, and what
// Config.Check finds. It holds for its Retry-After; without one, until the quota
// that is spent starts anew; without either, for a random time of at most a
// second, which doubles with each throttle, up to eight seconds if calls are
// served in between, and up to Config.MaxRetryAfter if none is. A Retry-After is
// taken for at least that as well, as long as nothing is served. Afterwards one
// call goes, and each answer lets one more be under way, so those who waited do
// not rush out together. A hold is never shortened by a later answer.
//
// No wait for a server is longer than Config.MaxRetryAfter. If the server asks
// for more, those who wait and those who come are refused at once with the
// reason [HeldTooLong] and the time at which it will serve again. Once in each
// MaxRetryAfter one call goes all the same, and asks.
//
// # Buckets within a key
//
// Some servers have several quotas, and an answer tells which one its request
// counts against: X-RateLimit-Resource at GitHub, X-RateLimit-Bucket at Discord,
// a partition key in the draft of the IETF. From then on such a part has a
// bucket of its own, so that a search quota that is spent stops searches only.
// To which part a request belongs is learnt for its route: the first segment of
// its path, or what Config.Route returns. A request on an unknown route is taken
// to belong to the part of most. Rate, MaxInFlight and the like stay those of
// the key: requests queue at the part first, and then at the key.
//
// A route whose part changes with each answer gets a bucket of its own. A key
// has at most 64 parts and remembers 256 routes. Policies with different names
// are no parts: all of them bind all requests of a bucket.
//
// Requests with different credentials share a key, as if they were of one
// account, unless Config.Credential tells them apart.
//
// # Replicas
//
// The server's own count is the best that replicas can share. Four of them, each
// with a Limiter of its own that knows nothing of the others, use all of a
// quota, and some of their requests are refused: see the table. With Spread it
// is few of them, unless the quota has but some requests for each replica. With
// package redislimit they share a rate.
//
// The table is what TestSimulation logs with -v: a minute of 32 workers, 20 to 400 ms
// away from servers that serve 600 requests in it (100 in 10 s; a full bucket
// has 100 more, that of GCRA holds 20), with ProbeFirst. It shows requests served
// and refused, the most in one second, and of a foreign client on the same quota
// how many of its 183 requests were served. Clocks that are wrong by five seconds
// make no difference.
//
//	server                         pace       alone       peak  with a foreigner  four replicas
//	fixed window                   Spread     575 / 0     20    403 / 0 / 183     600 / 12
//	fixed window                   Burst      600 / 0     83    548 / 6 / 51      600 / 119
//	fixed window                   Threshold  594 / 0     60    471 / 4 / 128     600 / 42
//	sliding window                 Spread     572 / 0     13    377 / 3 / 178     577 / 11
//	sliding window                 Burst      572 / 0     78    512 / 5 / 81      593 / 102
//	sliding window                 Threshold  590 / 3     59    447 / 3 / 137     597 / 32
//	sliding window, IETF draft 10  Spread     573 / 0     13    379 / 2 / 180     584 / 8
//	sliding window, IETF draft 10  Burst      599 / 2     71    539 / 7 / 59      600 / 110
//	sliding window, IETF draft 10  Threshold  589 / 3     59    459 / 5 / 131     598 / 47
//	token bucket                   Spread     643 / 0     52    467 / 0 / 183     678 / 0
//	token bucket                   Burst      690 / 0     68    510 / 0 / 182     691 / 330
//	token bucket                   Threshold  671 / 0     59    489 / 0 / 183     679 / 3
//	token bucket, rate told        Spread     640 / 0     23    466 / 0 / 183     677 / 0
//	token bucket, rate told        Burst      690 / 0     68    517 / 7 / 175     697 / 182
//	token bucket, rate told        Threshold  671 / 0     59    490 / 0 / 183     682 / 19
//	GCRA                           Spread     601 / 0     23    420 / 0 / 183     612 / 22
//	GCRA                           Burst      610 / 0     21    431 / 2 / 181     616 / 148
//	GCRA                           Threshold  608 / 0     22    425 / 0 / 183     615 / 69
//
// Spread uses 95 to 96 % of a fixed window and of one that slides, and alone next
// to none of its requests is refused. Four replicas have 1 to 2 % refused there,
// 2 % on a fixed window and none on a bucket.
// Of a fixed window of one or two seconds, whose resets are told in whole seconds,
// Threshold uses 92 to 100 % and Spread 78 to 100 %, where answers take 40 to 80 ms.
// Where they take half a second and more, it may be 60 %.
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
// back the difference. So does the cost that an answer reports in a field, such
// as X-Complexity, if the call has a WithCost.
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
// sum stays within its limit. Rate counts what this process sends: two processes
// need half of it each, where the server does not tell what is left.
//
// A pace by quotas is an estimate. Where it changes, so does the wait that was
// foreseen, and who can't be served in time any more is refused while waiting.
package ratelimit
