package breaker

// maxChanges bounds what waits for a hook that takes its time.
const maxChanges = 64

// queue keeps a change for the hook until no lock is held. When too many wait,
// the last of them is extended instead, so that each still begins where the one
// before it has ended. mu is held.
func (t *trouble) queue(change Change) {
	if n := len(t.changes); n == maxChanges {
		change.From = t.changes[n-1].From
		t.changes[n-1] = change
		return
	}
	t.changes = append(t.changes, change)
	t.waiting.Add(1)
}

// tell takes waiting changes to the hook, with no lock held. When another
// goroutine is at it already, or a hook itself came here, that one goes on. It
// does not do so for ever: when changes come faster than the hook takes them, it
// leaves the rest to the next call.
func (c *circuit) tell() {
	t := c.trouble.Load()
	if t == nil {
		return
	}
	for range 1 + maxChanges {
		if t.waiting.Load() == 0 {
			return
		}
		change, ok := t.nextChange()
		if !ok {
			return
		}
		t.deliver(change)
	}
}

func (t *trouble) nextChange() (Change, bool) {
	t.circuit.mu.Lock()
	defer t.circuit.mu.Unlock()
	if t.draining || len(t.changes) == 0 {
		return Change{}, false
	}
	t.draining = true
	change := t.changes[0]
	t.changes = t.changes[1:]
	t.waiting.Add(-1)
	return change, true
}

// deliver calls the hook, which may panic, read the state, or send requests.
func (t *trouble) deliver(change Change) {
	defer func() {
		t.circuit.mu.Lock()
		t.draining = false
		t.circuit.mu.Unlock()
	}()
	t.breaker.config.Hooks.StateChange(change)
}
