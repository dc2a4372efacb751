package inbox

import (
	"context"
	"sync"
	"time"
)

// clockAge is how long the time of the store is reckoned on without asking.
const clockAge = time.Minute

// clock reckons the time of the store: what it said last, and the time that has
// passed since. A step of this machine's clock is none of its own: it is one of
// the store's if that goes by it, which a worker that has leases looks for.
type clock struct {
	mu     sync.Mutex
	store  time.Time
	local  time.Time // when store was read, with a monotonic reading
	asking bool
}

// now asks the store at times.
func (in *Inbox) now(ctx context.Context) (time.Time, error) {
	c := &in.clock
	c.mu.Lock()
	known := !c.local.IsZero()
	if known && (c.asking || time.Since(c.local) < clockAge) {
		defer c.mu.Unlock()
		return c.reckon(), nil
	}
	c.asking = true
	c.mu.Unlock()

	t, err := in.config.Store.Now(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	switch {
	case err == nil:
		c.store, c.local = t, time.Now()
	case !known:
		return time.Time{}, err
	}
	return c.reckon(), nil
}

// time is the time without asking; now has been called before.
func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reckon()
}

// reckon is called with the lock held.
func (c *clock) reckon() time.Time {
	return c.store.Add(time.Since(c.local)).Truncate(time.Microsecond)
}
