package breaker

import "fmt"

// MaxForced is how many circuits of one Breaker can be forced at a time. They
// are never forgotten, whatever Config.MaxKeys says.
const MaxForced = 1000

// ForceOpen makes the circuit of key refuse every call until [Breaker.Release],
// or until [Breaker.ForceClosed] makes it let every call through. No probe goes
// out meanwhile. The key is the one that [Circuit] and [OpenError] show, such as
// "https://api.example.com"; its circuit need not exist yet. Calls that are
// under way go on and no longer count.
//
// Its error says that [MaxForced] circuits are forced already. Hooks are told
// before it returns, unless another goroutine is telling them.
func (b *Breaker) ForceOpen(key string) error { return b.force(key, Open) }

// ForceClosed makes the circuit of key let every call through until
// [Breaker.Release] or [Breaker.ForceOpen]. Calls are counted meanwhile, and
// open nothing. Otherwise it is like [Breaker.ForceOpen].
func (b *Breaker) ForceClosed(key string) error { return b.force(key, Closed) }

// Release gives the circuit of key back to the rules, closed and with nothing
// counted, and reports whether it was forced. It does nothing if it was not.
func (b *Breaker) Release(key string) bool {
	c := b.released(key)
	if c != nil {
		c.tell()
	}
	return c != nil
}

func (b *Breaker) force(key string, to State) error {
	c, err := b.hold(key, to)
	if err != nil {
		return err
	}
	c.tell()
	return nil
}

// hold forces the circuit of key and keeps its entry in use.
func (b *Breaker) hold(key string, to State) (*circuit, error) {
	b.forcing.Lock()
	defer b.forcing.Unlock()
	k := b.named(key)
	entry := b.forced[k]
	if entry == nil {
		if len(b.forced) >= MaxForced {
			return nil, fmt.Errorf("breaker: circuit of %s not forced: %d others are already", key, MaxForced)
		}
		entry = b.circuits.Acquire(k, noTime)
		b.forced[k] = entry
	}
	c := entry.Value()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.getIntoTrouble(b, k)
	if p := t.phase(); !p.forced() || p.state() != to {
		t.override(to, true, "forced "+to.String())
	}
	return c, nil
}

// released takes back what hold did.
func (b *Breaker) released(key string) *circuit {
	b.forcing.Lock()
	defer b.forcing.Unlock()
	k := b.named(key)
	entry := b.forced[k]
	if entry == nil {
		return nil
	}
	delete(b.forced, k)
	defer b.circuits.Release(entry)
	c := entry.Value()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble.Load().override(Closed, false, "released")
	return c
}

// override puts the circuit into a state without asking a machine, which it has
// no use for until it opens by itself. mu is held.
func (t *trouble) override(to State, forced bool, reason string) {
	t.reason, t.machine = reason, nil
	t.enter(to, forced, t.breaker.now())
}
