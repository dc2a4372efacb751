package redislimit

import "time"

// order calls Redis if that is due: one call at a time for each bucket. If Redis
// is down and it is not the time for a probe, the bucket is cut off.
func (b *bucket) order(now time.Duration) {
	if b.calling {
		return
	}
	b.prune(now)
	want, patience, due := b.need(now)
	if !due && !b.news.urgent {
		return
	}
	sequence, ok := b.limiter.link.admit(now)
	if !ok {
		b.cutOff(now)
		return
	}
	b.calling = true
	b.calls++
	c := &call{
		bucket:   b,
		sequence: sequence,
		ahead:    b.queue.Len() == 0,
		order:    order{want: want, patience: patience, outage: -1, unused: b.unused},
	}
	if b.share.active && !b.share.joined {
		c.order.outage = now - b.share.since
	}
	c.order.hold = max(0, b.news.held-now)
	if resets := b.news.reset - now; resets > 0 {
		c.order.remaining, c.order.resets = b.news.remaining, resets
	}
	b.unused, b.news.urgent = unused{}, false
	go c.run()
}

// need is how many slots to ask for, and how far away they may be.
func (b *bucket) need(now time.Duration) (want int, patience time.Duration, due bool) {
	if b.held > now {
		return 0, 0, false
	}
	l, queued, hand := b.limiter, b.queue.Len(), b.inHand()
	if queued == 0 && b.share.active && !b.share.joined {
		return 0, 0, true // served without Redis, which may be back
	}
	size := min(max(1, b.demand.recent(now), queued-hand), l.maxLease)
	if hand > size/2 || len(b.leases) == maxLeases {
		return 0, 0, false
	}
	patience = aheadFor
	switch {
	case queued > 0:
		patience = b.patience(now)
	case size == 1:
		return 0, 0, false // whoever asks seldom does not ask ahead
	}
	if b.believed > now && b.frontier-now > patience {
		return 0, 0, false
	}
	// Slots that come after all have left would be lost to the other replicas.
	useful := 1 + int(min(patience/l.interval, time.Duration(l.maxLease)))
	return min(size, l.maxLease-hand, useful), patience, true
}

// patience is how long the most patient one in the queue can wait.
func (b *bucket) patience(now time.Duration) time.Duration {
	var longest time.Duration
	for e := b.queue.Front(); e != nil; e = e.Next() {
		longest = max(longest, e.Value.(*waiter).limit-now)
	}
	return min(longest, horizon)
}
