package redislimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// call is one call of Redis for one bucket, on a goroutine of its own: nobody's
// context ends it, since all who wait for the bucket need it.
type call struct {
	bucket   *bucket
	order    order
	sequence int  // of the link
	ahead    bool // for requests that are still to come

	settled bool // guarded by bucket.mu
}

// run makes the call. A bucket makes no other one until Eval has returned, even
// if that takes longer than the timeout.
func (c *call) run() {
	defer c.done()
	l := c.bucket.limiter
	ctx, cancel := context.WithTimeout(context.Background(), l.config.Timeout)
	defer cancel()
	// There are clients that do not heed the context.
	stop := context.AfterFunc(ctx, func() {
		c.settle(reply{}, fmt.Errorf("redislimit: no answer within %v: %w", l.config.Timeout, ctx.Err()))
	})
	defer stop()
	r, err := c.eval(ctx)
	c.settle(r, err)
}

// eval calls Eval. A panic of it must not end the program: nobody who could
// recover from it is on this goroutine.
func (c *call) eval(ctx context.Context) (r reply, err error) {
	returned := false
	defer func() {
		if !returned {
			r, err = reply{}, fmt.Errorf("redislimit: Eval panicked: %v", recover())
		}
	}()
	l := c.bucket.limiter
	raw, err := l.config.Eval(ctx, script, c.bucket.names, l.args(c.order))
	returned = true
	if err != nil {
		return reply{}, fmt.Errorf("redislimit: %w", err)
	}
	return l.read(raw, c.order)
}

// errExit is what a call has come to whose goroutine was ended by Eval.
var errExit = errors.New("redislimit: Eval did not return")

// done lets the bucket make its next call.
func (c *call) done() {
	c.settle(reply{}, errExit)
	b := c.bucket
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calling = false
	// Calls beget calls only for somebody who waits: there must be an end.
	if b.queue.Len() > 0 && b.inHand() == 0 || b.news.urgent {
		now := b.limiter.now()
		b.order(now)
		b.sift(now)
	}
}

// settle takes the result, once.
func (c *call) settle(r reply, err error) {
	b, l := c.bucket, c.bucket.limiter
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.settled {
		return
	}
	c.settled = true
	now := l.now()
	changed, outage := l.link.report(c.sequence, now, err != nil)
	switch {
	case changed && err != nil:
		l.events.add(event{degraded: &Outage{Err: err}})
	case changed:
		l.events.add(event{recovered: &Outage{For: outage}})
	}
	if err != nil {
		b.failures++
		b.cutOff(now)
	} else {
		b.accept(c, r, now)
	}
	b.sift(now)
	b.wakeHead()
}

// accept takes a reply over into the bucket.
func (b *bucket) accept(c *call, r reply, now time.Duration) {
	l := b.limiter
	b.replicas = r.replicas
	l.replicas.Store(int64(r.replicas))
	first := now + r.wait
	if end := now + r.held - l.config.Timeout; r.held > 0 {
		// Those dated before the end of the pause are older than the pause. It
		// is too late to give them back.
		b.leases = slices.DeleteFunc(b.leases, func(l lease) bool { return l.next < end })
	}
	if b.share.active {
		b.share.joined, b.share.end = true, max(now, first)
	}
	b.frontier, b.believed = after(first, l.interval, r.given), now+believedFor
	if r.given == 0 {
		return
	}
	b.leases = append(b.leases, lease{
		next:  first,
		left:  r.given,
		until: max(now, after(first, l.interval, r.given-1)) + leaseFor,
		fresh: true,
		from:  r.mark - ceilMicros(scaled(l.interval, float64(r.given))),
		mark:  r.mark,
	})
	b.granted += uint64(r.given) // #nosec G115 -- read has checked that it is not negative
	if l.config.Hooks.Lease != nil {
		l.events.add(event{lease: &Lease{Key: b.key.String(), Slots: r.given, Wait: max(0, r.wait), Replicas: r.replicas}})
	}
	if b.queue.Len() == 0 && !c.ahead {
		b.surrender(now)
	}
}
