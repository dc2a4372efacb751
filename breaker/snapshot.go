package breaker

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Circuit is what a circuit was at the time of a [Breaker.Snapshot].
type Circuit struct {
	// Key is that of the circuit: the origin, or what Config.Key returned.
	Key string
	// State is its state. An open circuit whose time is over is still Open: it
	// becomes half-open with the next call.
	State State
	// Forced is set from [Breaker.ForceOpen] or [Breaker.ForceClosed] to
	// [Breaker.Release].
	Forced bool
	// Since is when it came into that state, or was forced or released; zero if
	// it has been closed from the beginning.
	Since time.Time
	// NextProbe is when the first probe may be sent; zero unless it is open and
	// not forced.
	NextProbe time.Time
	// Counts are those of the window or of the probes.
	Counts
}

// Snapshot returns all circuits that are remembered, sorted by key. Each is
// consistent in itself. It takes a lock for a moment at each circuit and holds
// none while it sorts.
func (b *Breaker) Snapshot() []Circuit {
	all := make([]Circuit, 0, b.circuits.Len())
	for key, c := range b.circuits.All() {
		all = append(all, c.snapshot(b, key))
	}
	slices.SortFunc(all, func(x, y Circuit) int { return strings.Compare(x.Key, y.Key) })
	return all
}

func (c *circuit) snapshot(b *Breaker, key httpx.Key) Circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roll(b.now(), b.width)
	s := Circuit{Key: key.String(), Counts: c.counts()}
	t := c.trouble.Load()
	if t == nil {
		return s
	}
	p := t.phase()
	s.State, s.Forced = p.state(), p.forced()
	if p != 0 {
		s.Since = b.start.Add(t.since)
	}
	switch {
	case s.State == HalfOpen:
		n := t.machine.Counts()
		s.Successes, s.Failures = int(n.TotalSuccesses), int(n.TotalFailures)
	case s.State == Open && !s.Forced:
		s.NextProbe = b.start.Add(t.openUntil)
	}
	return s
}
