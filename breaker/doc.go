// Package breaker stops calls to an upstream that keeps failing, and lets them
// through again when it is back.
//
//	circuits, err := breaker.New(breaker.Config{})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: circuits.Wrap(http.DefaultTransport)}
//
// Each key, by default each scheme, host and port, has a circuit of
// github.com/sony/gobreaker/v2. It is closed at first: calls go through and are
// counted. When too many fail it opens: calls get an [*OpenError] at once, and
// nothing is sent. After Config.OpenTimeout it is half-open: a few probes go
// through, and close it if they succeed. [Breaker.Do] does the same for work that
// is not HTTP, and [Breaker.Snapshot] shows all circuits.
//
// # When it opens
//
// After ten failures in a row, or when half of at least twenty calls of the last
// 30 seconds failed. The first rule is for the API that is called now and then,
// the second for the busy one that fails in part. Ten, because three attempts
// of each of three calls are no reason yet to refuse a fourth; half, because an
// upstream that answers every second call is worse with retries than without.
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
//	failure         a transport error, a 5xx, what Config.Check rejects, a body that breaks off, a panic
//	success         any other answer, once its body was read or closed
//	neither         a call whose context is over, an error from below that says NotSent
//
// A call counts when its body ends: its result comes late if the caller reads
// slowly, and never if the body is not closed. A probe has a lease for that case.
// A result that comes after the circuit has changed its state changes nothing,
// and in a closed circuit one that is older than Config.Window counts only for
// the failures in a row.
//
// A caller's own deadline counts as neither, so a server that hangs is not
// noticed by it. Give each attempt a time limit of its own below the Breaker,
// such as retry.AttemptTimeout: its end is a failure.
//
// # Above it
//
// The method Ready of a [Breaker] tells whether a call would be refused, without
// taking a probe; ratelimit.Config.Ready asks it before a request queues. retry
// sees in the error when the next probe is due, and waits for it if the deadline
// allows.
package breaker
