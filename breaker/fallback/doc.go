// Package fallback turns a failed HTTP call into a degraded answer, marked as
// such.
//
//	answers, err := fallback.New(fallback.Config{Answers: []fallback.Answer{
//		fallback.To("https://replica.example.com", fallback.ToConfig{}),
//		fallback.LastGood(fallback.LastGoodConfig{}),
//	}})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: answers.Wrap(retries.Wrap(http.DefaultTransport))}
//
// # When not to use it
//
// An answer that is wrong can be worse than an error. Use a fallback where the
// program does something useful with less: a price of five minutes ago, a page
// without recommendations. Do not use it where the caller acts on the answer, as
// on a balance or a permission; there the error is the right answer.
//
// # What is a failure
//
//	any error from below                  replaced
//	500 502 503 504 529                   replaced
//	what Config.Check rejects             replaced, unless it is a 4xx
//	a 4xx, 429 included                   never replaced
//	anything else                         returned
//	a call whose context is over          never replaced
//
// A 4xx is the upstream's answer to this very request: to hide a 404 or a 403
// would bring back what is gone or forbidden. A request that a limiter or an open
// circuit refuses is an error, and replaced. A body that breaks off later is not
// seen here.
//
// # Answers
//
// Config.Answers are asked in turn, and the first that has an answer serves:
//
//	Static    the same response for each GET and HEAD
//	Func      what a func of yours returns
//	To        the answer of another upstream, for requests that may be sent twice
//	LastGood  the last good answer to the same GET, from memory
//
// [Answer.When] says which requests an Answer is for, [Answer.Named] what it is
// called. When none of them has an answer, what came from below is returned as it
// was: an error unchanged, a response unread. But an error that proves that nothing
// was sent is wrapped if a To has sent the request, so that it proves that no more.
//
// # How to tell
//
// [Degraded] reports whether a response is a degraded answer. It believes no
// header. For people and logs there is the field Holdfast-Fallback with the name
// of the Answer; one that an upstream sends is removed. What comes from memory
// also has Age and Cache-Status, such as
//
//	Cache-Status: holdfast; fwd=stale; fwd-status=503; detail=last-good
//	Cache-Status: holdfast; hit; detail=last-good
//
// of which the second says that the upstream was not asked.
//
// Hooks.Served and [Fallback.Snapshot] say how often it served, and [LogHooks]
// write it to a log: a fallback that nobody notices hides an outage.
//
// # Where it belongs
//
// Above retry, so that it sees what a call came to and not an attempt:
//
//	fallback     whatever failed below becomes a degraded answer
//	 retry        one logical call, many attempts
//	  limit        …
//	   breaker      an open circuit fails at once: the degraded answer is fast
//	    timeout      the attempt's own clock
//	     auth         LastGood does not see what is added here: set its Partition
//
// Below retry it would hide every failure from it, and nothing would be repeated.
// A cache above must not keep a degraded answer as if it were the real one:
// [Static] says no-store, and [LastGood] tells the age of what it serves. What
// [To] and [Func] answer may be kept for as long as its own header says.
//
// # Time
//
// Nobody is served whose own time is up: when the request's deadline has passed,
// or http.Client.Timeout, there is no one left to answer. So the layers below must
// give up earlier. Limit each attempt below, and the whole call in retry
// (Config.MaxElapsed), so that what is left suffices for [To] or a Func.
//
// # Writes
//
// A request that is not idempotent and may have reached the first upstream is
// not sent to another, nor does Static answer it. A Func may: it knows whether
// 202 is true because the order lies in a queue. What retry takes for idempotent
// by its context is not known here; an idempotency key is.
//
// # What it costs
//
// A call that succeeds: an atomic counter. With LastGood a GET costs in addition
// a shallow copy and two hashes of the request (about two microseconds), and a
// copy of the body while it is read.
package fallback
