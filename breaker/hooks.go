package breaker

import "time"

// Hooks are told what happens to circuits. A nil func is not called. They run
// on the goroutine of the call that caused the event, with no lock held: they
// may ask the Breaker and send requests through it. What the end of a probe's
// lease has changed is told with the next call.
type Hooks struct {
	// StateChange is called for each change of a circuit, in order. An open
	// circuit becomes half-open when the first call comes after its time, not
	// by itself.
	StateChange func(Change)
	// Refused is called for each call that was refused.
	Refused func(*OpenError)
}

// Change is a circuit's change of state.
type Change struct {
	// Key is that of the circuit.
	Key string
	// From and To are the states before and after.
	From, To State
	// Until is the time of the first probe when To is Open, else zero.
	Until time.Time
}
