package breaker

// State is that of a circuit.
type State int32

// The states of a circuit.
const (
	// Closed means: calls go through and are counted.
	Closed State = iota
	// HalfOpen means: a few probes go through to see whether the upstream is back.
	HalfOpen
	// Open means: calls are refused.
	Open
)

// String returns "closed", "half-open" or "open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

// MarshalText returns what String does, so that a snapshot is readable in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// phase is the time from one change of a circuit to the next: its state,
// whether an operator chose that, and the number of changes before. A call
// belongs to the phase that admitted it, and counts in no other.
type phase uint64

const (
	phaseState  phase = 3
	phaseForced phase = 4
	phaseCount  phase = 8
)

func (p phase) state() State { return State(p & phaseState) }

func (p phase) forced() bool { return p&phaseForced != 0 }

// next is the phase after p.
func (p phase) next(s State, forced bool) phase {
	n := p&^(phaseState|phaseForced) + phaseCount + phase(s) // #nosec G115 -- one of three
	if forced {
		n |= phaseForced
	}
	return n
}
