// Package breaker stops calls to an upstream that keeps failing, and lets them
// through again when it is back.
//
//	circuits, err := breaker.New(breaker.Config{})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: circuits.Wrap(http.DefaultTransport)}
//
// Each key, by default each scheme, host and port, has a circuit. It is closed
// at first: calls go through and are counted. When too many fail it opens: calls
// get an [*OpenError] at once, and nothing is sent. After Config.OpenTimeout it
// is half-open: a few probes go through, and close it if they succeed.
// [Breaker.Do] does the same for work that is not HTTP.
//
// The states are those of github.com/sony/gobreaker/v2, which is told of the
// failure that opens a circuit, decides who may be a probe, and hears how it
// went. The counts of a closed circuit are kept here, in 64 bytes until
// something goes wrong: gobreaker does not know slow calls, and asks its
// callbacks with its lock held.
//
// # When it opens
//
// After ten failures in a row, or when half of at least twenty calls of the last
// 30 seconds failed. The first rule is for the API that is called now and then,
// the second for the busy one that fails in part. Ten, because three attempts
// of each of three calls are no reason yet to refuse a fourth; half, because an
// upstream that answers every second call is worse with retries than without.
//
// With Config.SlowCall set, it opens too when four of five calls were slow: when
// that many wait, the callers have a use for an answer at once. Fewer than that
// still get answers, if late ones. There is no default for what is slow: an API
// that renders reports is well when one that completes addresses is dead.
// Config.Trip is for any other rule.
//
// # How long it stays open
//
// Config.OpenTimeout at first, and twice as long each time that the probes fail,
// up to Config.MaxOpenTimeout. A Retry-After on the answer that opened it makes
// it longer, up to Config.MaxRetryAfter. A random share of up to Config.Jitter is
// added, so that the replicas of a program do not probe in step.
//
// # What counts
//
//	failure         a transport error; 500, 502, 503, 504 or 529; what Config.Check rejects;
//	                a body that breaks off; a panic
//	success         any other answer, once its body was read or closed;
//	                101, at once
//	neither         an error of a call whose context is over, or that something below has
//	                refused
//
// A limiter or another breaker says by a method NotSent of its error that it has
// refused a call. The error of retries says NotSent too when they could not even
// connect; that it is no refusal it says by a method Refused.
//
// Config.Classify decides otherwise about errors: that of reading a request's own
// body, for one, is a transport error like any other here. It is asked about
// those of Check too. So together they can say that a 500 of an API that
// answers so to what it does not understand is no failure. A 429 is a success:
// the server is well and wants fewer calls, which is the business of a limiter.
// So are 501, 505 and 511: to leave the server alone would not change them.
//
// An answer that is a failure counts at once, whatever becomes of its body. Any
// other counts when its body ends, in the window of that time: a body that
// breaks off is a failure, one that is slow to come is slow, and a caller who is
// slow to read looks the same. A call whose body is neither read to its end nor
// closed never counts, which is a leak of the caller's; a probe has a lease for
// that case. A result that comes after the circuit has changed its state changes
// nothing.
//
// A caller's own deadline counts as neither, so a server that hangs is not
// noticed by it. Give each attempt a time limit of its own below the Breaker,
// such as retry.AttemptTimeout, and its body retry.StallTimeout: what they end
// has failed.
//
// # Operating it
//
// [Breaker.Snapshot] shows all circuits, [Hooks] are told of each change and each
// refusal with the reason, and [LogHooks] write them to a log. When you know
// better, [Breaker.ForceOpen] and [Breaker.ForceClosed] overrule a circuit until
// [Breaker.Release].
//
// # Replicas
//
// Each process has circuits of its own, and finds out for itself that an
// upstream is dead. This is how many of the 38400 calls that all replicas of a
// program made together in ten minutes, 64 per second, reached an upstream that
// failed all of them, with the zero Config:
//
//	replicas                   1     2     4     8    16    64
//	calls                     21    42    84   168   337  1344
//	in the first 30 seconds   12    24    48    96   192   768
//
// So each replica costs ten calls to find out, two probes in the half minute
// after, and about one a minute from then on. A state shared between them would
// save most of these, and be one more thing that can fail at the same time.
//
// # Above it
//
// The method Ready of a [Breaker] tells whether a call would be refused, without
// taking a probe; ratelimit.Config.Ready asks it before a request queues. retry
// sees in the error when the next probe is due, waits for it if the deadline
// allows, and otherwise gives up at once.
package breaker
