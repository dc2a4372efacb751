// Package retry repeats HTTP requests that failed, where that is safe and
// likely to help.
//
//	policy, err := retry.New(retry.Config{})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: policy.Wrap(http.DefaultTransport)}
//
// A [Policy] is made once and shared. It holds no state of calls.
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
//	answer cut off in its body       repeated, if Config.BufferResponses holds it
//
// A request is idempotent if its method is GET, HEAD, OPTIONS, TRACE, PUT or
// DELETE (RFC 9110, section 9.2.2), if it has an Idempotency-Key or
// X-Idempotency-Key field, or if its context comes from [Idempotent]. The first
// four methods are safe. A request was never sent if no connection could be
// made, or if the error has a method NotSent that says so, as that of an open
// circuit breaker has.
//
// Never repeated: certificates that do not verify, hosts that do not exist,
// peers that do not speak TLS, schemes that are not http or https, errors
// wrapped in backoff.Permanent, errors whose method Retryable says false, and
// calls whose caller has gone. They are told apart by type.
//
// # When
//
// The delays come from a schedule of github.com/cenkalti/backoff/v4, by default
// exponential with full jitter, see [FullJitter]. A Retry-After in seconds, with
// a fraction, or as a date (RFC 9110, section 10.2.3), also Retry-After-Ms, is
// kept to: the wait is never shorter, and longer by at most as much again. A
// wish beyond Config.MaxRetryAfter ends the call. A wait that would not end
// before the context's deadline is not begun.
//
// # What comes back
//
// When a call is not repeated any more, its last answer comes back as it is,
// unread. After a transport error the caller gets an [*Error] that wraps it.
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
package retry
