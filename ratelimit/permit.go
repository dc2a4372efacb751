package ratelimit

import (
	"container/list"
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// Permit is the leave to do one piece of work, from [Limiter.Acquire]. Its
// methods are safe for concurrent use.
type Permit struct {
	bucket *bucket
	need   need // of Acquire
	ended  atomic.Bool

	// The lock of the bucket guards these.
	since time.Duration // when the work began
	slot  *list.Element // nil when it holds none, or its lease is over
}

// Acquire waits for its turn under key like a request. It is for work that is
// not HTTP; its keys are apart from those of requests unless Config.Key returns
// the same ones. The context may carry [WithPriority], [WithFlow] and
// [WithCost].
//
// It returns an [*Error] at once if the turn can't come in time, or the cause
// of ctx if that ends while it waits. Otherwise Release must be called when the
// work is over. With Config.MaxInFlight, a permit that was forgotten counts
// until its lease ends.
func (l *Limiter) Acquire(ctx context.Context, key string) (*Permit, error) {
	entry := l.buckets.Acquire(httpx.Key{Name: key}, l.recently())
	defer l.buckets.Release(entry)
	p := &Permit{bucket: entry.Value()}
	w := wishesOf(ctx)
	n, entered := need{permit: p}, false
	n.set(&w)
	defer func() {
		if !entered && n.admitted { // a hook of a Shadow panicked
			p.bucket.cancel(&n)
		}
	}()
	if err := l.enter(ctx, entry, &n, w.flow); err != nil {
		return nil, err
	}
	p.need, entered = n, true
	return p, nil
}

// Settle replaces the cost that was charged for the permit, 1 or that of
// [WithCost], by the actual one: the difference is charged or given back. A
// debt keeps the key quiet for at most Config.MaxRetryAfter. A cost that is
// negative or no number is ignored. It may be called once, before or after
// Release, and not for work that was not sent.
func (p *Permit) Settle(actual float64) {
	p.bucket.settle(&p.need, actual)
}

// Release says that the work is over and how it went; only the first call
// counts. An error whose NotSent method says true gives back what was charged.
// One whose RetryAfter method gives a time holds the key, as the Retry-After of
// an answer would.
func (p *Permit) Release(err error) {
	unsent, asked := httpx.SaysNotSent(err), httpx.RetryAfter(err) // which may panic
	if !p.ended.CompareAndSwap(false, true) {
		return
	}
	b := p.bucket
	if unsent {
		b.cancel(&p.need)
		return
	}
	outcome := pace.Answered // that is what work without an answer is taken for
	if asked > 0 {
		outcome = pace.Lost
	}
	b.land(&p.need, outcome)
	told := Replan{}
	if b.limiter.config.adapts() {
		told = b.adapt(p.since, asked > 0)
	}
	b.release(p)
	b.limiter.tell(b, told)
	b.limiter.hold(b, &p.need, 0, asked)
}

// Do calls fn in its turn under key, and releases the permit with what fn
// returned. If fn panics or ends its goroutine, the work counts as done. See
// [Limiter.Acquire].
func (l *Limiter) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	p, err := l.Acquire(ctx, key)
	if err != nil {
		return err
	}
	defer p.Release(nil) // if fn does not return
	err = fn(ctx)
	p.Release(err)
	return err
}

// onEnd frees the slot of a request when its answer has been read.
type onEnd struct{ permit *Permit }

// End is called when the body of the answer has ended.
func (o onEnd) End(error) { o.permit.bucket.release(o.permit) }
