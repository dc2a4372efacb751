package breaker

import (
	"errors"
	"fmt"
	"time"
)

// ErrOpen is what errors.Is finds in every [*OpenError].
var ErrOpen = errors.New("breaker: circuit open")

// OpenError is returned for a call that was refused. Nothing of it was sent.
type OpenError struct {
	// Key is that of the circuit: the origin, or what Config.Key returned.
	Key string
	// State is Open, or HalfOpen when all probes were under way.
	State State
	// Forced is set when [Breaker.ForceOpen] has opened the circuit.
	Forced bool
	// Since is when the circuit came into that state.
	Since time.Time

	wait time.Duration
}

// Error names the circuit and says when the next probe goes out.
func (e *OpenError) Error() string {
	switch {
	case e.Forced:
		return fmt.Sprintf("breaker: circuit of %s is forced open", e.Key)
	case e.State == HalfOpen:
		return fmt.Sprintf("breaker: circuit of %s is half-open and its probes are under way", e.Key)
	}
	return fmt.Sprintf("breaker: circuit of %s is open, next probe in %v", e.Key, e.wait.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrOpen) true.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// Reason is why the call was refused, in words for a log or a metric: "open",
// "probes under way" or "forced open".
func (e *OpenError) Reason() string {
	switch {
	case e.Forced:
		return "forced open"
	case e.State == HalfOpen:
		return "probes under way"
	}
	return "open"
}

// RetryAfter is the time from the refusal to the next probe; 0 if it is not
// known because a probe is under way, or the circuit is forced open.
func (e *OpenError) RetryAfter() time.Duration { return e.wait }

// Retryable is true, for the circuit closes again when the upstream is back,
// unless it is forced open: somebody has to release it.
func (e *OpenError) Retryable() bool { return !e.Forced }

// NotSent is true: the upstream has seen nothing of the call.
func (e *OpenError) NotSent() bool { return true }
