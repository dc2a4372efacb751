package inbox

import (
	"context"
	"sync"
	"time"
)

// clockAge is how long the time of the store is reckoned on without asking.
const clockAge = time.Minute

// clockDrift is how far apart two clocks get in that time: quartz is right to a
// hundred parts in a million.
const clockDrift = clockAge / 10_000

// clock reckons the time of the store: what it said last, and the time that has
// passed since. A step of this machine's clock is none of its own: it is one of
// the store's if that goes by it, which a worker that has leases looks for.
type clock struct {
	mu     sync.Mutex
	store  time.Time
	local  time.Time     // when the answer came, with a monotonic reading
	took   time.Duration // to get it: so much less than the store's time it may be
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

	begin := time.Now()
	t, err := in.config.Store.Now(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	switch {
	case err == nil:
		c.store, c.local = t, time.Now()
		c.took = c.local.Sub(begin)
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

// lag is by how much the time that is reckoned on may be behind the store's.
func (c *clock) lag() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.took + clockDrift
}

// reckon is called with the lock held.
func (c *clock) reckon() time.Time {
	return c.store.Add(time.Since(c.local)).Truncate(time.Microsecond)
}
