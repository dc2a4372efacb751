// Package retry repeats HTTP requests that failed, where that is safe and
// likely to help.
//
//	policy, err := retry.New(retry.Config{})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}
//
// A [Policy] is made once and shared. It holds no state of calls. [Do] applies
// the same policy to work that is not HTTP.
//
// # What is repeated
//
// Sending a request twice must do no harm, and the failure must be one that may
// pass. Both are needed:
//
//	failure                          idempotent request   any other request
//	408 421 425 429 502 503 504 529  repeated             returned
//	500                              repeated if safe     returned
//	any other status                 returned             returned
//	transport error                  repeated             repeated if never sent
//	answer cut off in its body       repeated, if Config.BufferResponses holds it; see also [Resume]
//
// A request is idempotent if its method is GET, HEAD, OPTIONS, TRACE, PUT or
// DELETE (RFC 9110, section 9.2.2), if it has an Idempotency-Key or
// X-Idempotency-Key field with a key in it, or if its context comes from [Idempotent]. The first
// four methods are safe.
//
// A request was never sent if dialling failed, be it to a proxy, if net/http
// reports by httptrace that it never got a connection, as when the TLS handshake
// fails (through a proxy it does not report enough to be sure), if
// the server refused the HTTP/2 stream (REFUSED_STREAM), or if the error has a
// method NotSent that says so, as that of an open circuit breaker has. net/http
// itself repeats what a connection that the server had closed never carried, and
// what an HTTP/2 server that said GOAWAY has not processed. It can do so with a
// body that has no GetBody too, if its ContentLength is known and within
// Config.MaxBuffer. A request with an idempotency key it repeats also when the
// connection, used before, died under it: then a failure to dial is no proof.
//
// The server's own word counts: X-Should-Retry or Stripe-Should-Retry with
// "true" makes any failed status one that is repeated, for an idempotent
// request, and with "false" none.
//
// Never repeated: certificates that do not verify, hosts that do not exist,
// peers that do not speak TLS, schemes that are not http or https, requests that
// net/http refuses to send for their method or header, errors wrapped in
// backoff.Permanent, errors whose method Retryable says false, and calls whose
// caller has gone. They are told apart by type, or by what is in the request,
// and never by text. A redirect is an answer: that http.Client follows no more of
// them is not seen here.
//
// Config.Classify overrules the table, Config.Check adds to it.
//
// # When
//
// The delays come from a schedule of github.com/cenkalti/backoff/v4, by default
// exponential with full jitter, see [FullJitter]; [EqualJitter],
// [DecorrelatedJitter], [Constant] and any schedule of that package will do. A
// Retry-After in seconds, with a fraction, or as a date (RFC 9110, section
// 10.2.3), also Retry-After-Ms, is kept to: the wait is never shorter, and
// longer by at most as much again. A wish beyond Config.MaxRetryAfter ends the
// call, or is clamped if the Config says so. A wait that would not end before the context's deadline is not begun.
//
// # How often
//
// Config.MaxAttempts bounds one call, Config.MaxElapsed its time, and a [Budget]
// the repetitions of all calls together. Attempts that a limiter or an open
// circuit refused were not sent and do not count. Of two retry layers the inner
// one leaves the repetitions of the outer one alone: attempts add up but do not
// multiply.
//
// What repetition does to an upstream in trouble, in a simulation: a thousand
// clients with a call every four seconds each, an upstream that is dead for 60
// seconds and then has a quarter more capacity than the normal load, callers who
// wait for a second. Load while it was dead and after, the normal load being 1:
//
//	                                     mean   peak  after  recovered
//	no repetition                        1.00   1.14   1.14  within 1s
//	4 attempts, every 500 ms             3.95   4.23   2.38  within 1s
//	4 attempts, full jitter              3.99   4.59   1.18  within 1s
//	… and Retry-After: 5                 3.49   4.15   8.94  not in 40s
//	4 attempts, full jitter, budget      1.10   2.01   1.14  within 1s
//	… and Retry-After: 5                 1.10   1.99   1.14  within 1s
//
// Retry-After without a budget gathers the callers of many seconds and lets them
// go at once: the upstream falls behind, answers nobody in time, and is kept busy
// by those who ask again. The budget spends what it has saved in the first
// second, hence its peak, and then lets a tenth more through. The test
// TestSimulatedOutage prints the table, with other jitter each time: the peaks
// differ by a few hundredths.
//
// # Idempotency keys
//
// [Keys] gives each POST and PATCH a key of its own, by which a server that
// knows such keys tells a repetition from a second order, so that a Policy may
// repeat them too. It stands above the Policy, so that all attempts have the
// same key, as have the redirects (307, 308) of the same request:
//
//	keys, err := retry.NewKeys(retry.KeysConfig{Hosts: []string{"api.stripe.com"}})
//	…
//	client := &http.Client{Transport: keys.Wrap(policy.Wrap(http.DefaultTransport))}
//
// Use it only for servers that honour the field. A program that may repeat the
// call itself, after a crash for one, brings its own key: [WithIdempotencyKey].
//
// # Hedging
//
// A [Hedge] is a middleware of its own, below a Policy and above a limiter and a
// breaker. When the answer to an idempotent request is slow to come, it sends a
// second copy, and the first acceptable answer wins. That cuts off slow answers
// that are a matter of chance, for a few percent more requests. It is not a
// retry: when all the copies that were sent have failed, the call has failed.
// The delay is fixed, or a percentile of the recent times. Give it a [Budget],
// so that an upstream that is slow for all does not get twice the load.
//
//	holdfast.Chain(nil, retries.Wrap, hedge.Wrap, limits.Wrap, circuits.Wrap)
//
// # Time limits
//
// The context's deadline, or http.Client.Timeout, is for the whole call.
// [AttemptTimeout] is a middleware for the place below limiter and breaker that
// limits each attempt; its error is repeated, and is not the caller's deadline.
// It stops at the header of the answer: [StallTimeout], beside it, ends a body that
// falls silent.
//
// # What comes back
//
// When a call is not repeated any more, its last answer comes back as it is,
// unread. After a transport error the caller gets an [*Error] that wraps it, with
// the history of the attempts; the error of a single attempt that would not have
// been repeated anyway comes back as it is. [AttemptsOf] tells how often a call was sent that
// has an answer.
//
// # Bodies
//
// A request with GetBody is never copied: http.NewRequest sets it for bytes and
// strings. Any other body is recorded while the first attempt streams it, up to
// Config.MaxBuffer. Beyond that the request is sent once, and Hooks.GiveUp gives
// the reason [BodyNotRepeatable].
//
// An answer that is thrown away is read to its end first, for at most 64 KiB and
// 100 ms, so that its connection can be used again.
//
// # Answers that break off
//
// A [Resume] continues a GET whose answer breaks off in its body: it asks for
// the missing bytes with Range and If-Range and reads on, without buffering
// anything. It is a middleware of its own and stands above the Policy, so that
// each continuation is itself repeated:
//
//	client := &http.Client{Transport: resume.Wrap(policy.Wrap(http.DefaultTransport))}
//
// It needs a strong validator, an entity tag or an old enough Last-Modified, and
// bytes that net/http has not decompressed. Bytes of two versions are never
// mixed: if the server has another one by now, or answers with anything but the
// part that was asked for, the reader gets the error that broke the answer off.
// Config.BufferResponses is the choice for short answers without a validator.
//
// # What it costs
//
// A call that succeeds at once costs no allocation if it may be repeated. One
// that may not, such as a POST without a key, costs seven for the trace that tells
// whether it was sent, and a body that has to be recorded costs a few more. A budget costs a lookup and a lock per call.
package retry
