package breaker

import "time"

// Hooks are told what happens to circuits. A nil func is not called. They run
// on the goroutine of the call that caused the event, or of one that is telling
// an earlier change of the same circuit just then, with no lock held: they may
// ask the Breaker and send requests through it. What the end of a probe's lease
// has changed is told with the next call.
type Hooks struct {
	// StateChange is called for each change of a circuit, in order, one at a
	// time for each circuit. An open circuit becomes half-open when the first
	// call comes after its time, not by itself. When a call of the hook takes
	// so long that 64 changes wait behind it, later ones are merged into one.
	// That a circuit is forgotten, see Config.MaxKeys, is no change of it: the
	// next one of its key comes from Closed.
	StateChange func(Change)
	// Refused is called for each call that was refused.
	Refused func(*OpenError)
}

// Change is a circuit's change of state.
type Change struct {
	// Key is that of the circuit.
	Key string
	// From and To are the states before and after. They are the same when a
	// circuit is forced into the state that it was in, or released from it.
	From, To State
	// Forced is set when an operator has chosen To, until the release.
	Forced bool
	// Reason says why, in words for a log, such as "12 of 20 calls failed".
	Reason string
	// Until is the time of the first probe when To is Open and not forced, else
	// zero.
	Until time.Time
}
