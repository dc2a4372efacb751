package breaker

import (
	"slices"
	"strings"
	"time"
)

// Circuit is what a circuit was at the time of a [Breaker.Snapshot].
type Circuit struct {
	// Key is that of the circuit: the origin, or what Config.Key returned.
	Key string
	// State is its state. An open circuit whose time is over is still Open: it
	// becomes half-open with the next call.
	State State
	// Since is when it came into that state; zero if it has been closed from
	// the beginning.
	Since time.Time
	// NextProbe is when the first probe may be sent; zero unless it is open.
	NextProbe time.Time
	// Successes and Failures are those of the window, or of the probes.
	Successes, Failures int
	// Consecutive is how many of the last calls have failed in a row, while it
	// was closed.
	Consecutive int
}

// Snapshot returns all circuits that are remembered, sorted by key. Each is
// consistent in itself as far as calls that go on meanwhile allow. It takes a
// lock for a moment at each circuit and holds none while it sorts.
func (b *Breaker) Snapshot() []Circuit {
	var all []Circuit
	for key, c := range b.circuits.All() {
		n := c.machine.Counts()
		s := Circuit{
			Key:         key.String(),
			State:       State(c.state.Load()),
			Successes:   int(n.TotalSuccesses),
			Failures:    int(n.TotalFailures),
			Consecutive: int(c.streak.Load()),
		}
		if since := c.since.Load(); since != 0 {
			s.Since = b.start.Add(time.Duration(since))
		}
		if s.State == Open {
			s.NextProbe = b.start.Add(time.Duration(c.openUntil.Load()))
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y Circuit) int { return strings.Compare(x.Key, y.Key) })
	return all
}
