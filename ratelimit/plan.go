package ratelimit

import (
	"math"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// Plan returns how long it takes, from now on, until n more calls of cost 1
// under key could have been sent, if those that wait already go first and
// nothing else changes: the end of a batch, told before it begins. The key is
// as [Limiter.Snapshot] shows it; one that is not known yet has a full bucket.
// Calls under a key whose server has named parts of it are taken to belong to
// the part of most, unless the key is that of a part.
//
// Quotas of requests and of points that the server has told are reckoned with:
// how many of their windows the calls take, and that the last of them is spent
// by Config.Pace. Nothing is sent and nothing charged. It does not foresee how
// long calls take, which matters when Config.MaxInFlight is small. Where it
// can't be told, as when a quota runs dry whose limit, reset or window is not
// known, it is the longest duration that there is.
func (l *Limiter) Plan(key string, n int) time.Duration {
	if n <= 0 {
		return 0
	}
	base, part, release := l.peek(key)
	defer release()
	end := base.plan(n)
	if part != nil {
		end = max(end, part.plan(n))
	}
	return end
}

// plan is Plan for the calls that go through b.
func (b *bucket) plan(n int) time.Duration {
	now := b.lock()
	defer b.mu.Unlock()
	o, ahead := b.outlook(now, &need{cost: 1}), int64(n-1)
	if b.queue != nil {
		ahead += min(b.queue.work(), math.MaxInt64-ahead)
	}
	end := o.wait(ahead, 1)
	if o.beyond > 0 {
		end = max(end, o.beyond-now)
	}
	if b.pacing != nil {
		end = max(end, b.pacing.end(now, float64(ahead)+1, &b.limiter.config))
	}
	if end > 1 {
		return end
	}
	return 0
}

// end is how long it takes until the quotas have let so many calls go.
func (p *pacing) end(now time.Duration, calls float64, c *Config) (end time.Duration) {
	of := p.pacer.Snapshot(now)
	for i := range of.Windows {
		w := &of.Windows[i]
		switch {
		case Unit(w.Unit) != Requests && Unit(w.Unit) != Points, w.Remaining < 0:
		case w.Flows:
			end = max(end, endOfFlow(w, p.fill(i, w, now), calls, of.InFlight[w.Unit], c))
		default:
			end = max(end, endOfWindows(w, now, calls, of.InFlight[w.Unit], c))
		}
	}
	return end
}

// endOfWindows is end for a quota that starts anew at its resets.
func endOfWindows(w *pace.Window, now time.Duration, calls, flying float64, c *Config) time.Duration {
	free, reset := w.Remaining, w.To-now
	if reset <= 0 {
		if free, reset = w.Limit, w.Length; w.Limit < 0 {
			return 0 // nothing is known of the window that is
		}
	}
	whole := w.Limit * (1 - c.Reserve) // negative if the limit is unknown
	if w.Limit >= 1 {
		whole = max(1, whole) // one goes in each window, however little is left to all
	}
	free = max(0, free-flying-c.Reserve*max(0, w.Limit))
	if calls <= free {
		return c.Pace.spends(calls, free, whole, reset)
	}
	full := math.Ceil((calls-free)/whole) - 1 // windows between that and the last
	if reset < 0 || !(whole > 0) || full > 0 && w.Length < 0 {
		return forever
	}
	wait := float64(reset)
	if full > 0 {
		wait += full * float64(w.Length)
	}
	return ceil(wait + float64(c.Pace.spends(calls-free-full*whole, whole, whole, w.Length)))
}

// spends is how long it takes to send calls when free are left for the time
// left, of whole, which is negative if unknown. The time may be as well.
func (p Pace) spends(calls, free, whole float64, left time.Duration) time.Duration {
	even := free
	switch {
	case p == Burst || left <= 0:
		return 0
	case p == Threshold && whole >= 0:
		even = min(free, whole/5)
	}
	if late := calls - (free - even) - 1; late > 0 {
		return ceil(float64(left) * late / even)
	}
	return 0
}

// endOfFlow is end for a quota that fills all the time.
func endOfFlow(w *pace.Window, fill, calls, flying float64, c *Config) time.Duration {
	lack := calls - max(0, w.Remaining-flying-c.Reserve*max(0, w.Limit))
	switch {
	case lack <= 0:
		return 0
	case fill > 0:
		return ceil(lack / fill * float64(time.Second))
	}
	return forever
}

// fill is how many units flow back into w, the window i, each second; 0 if that
// is unknown.
func (p *pacing) fill(i int, w *pace.Window, now time.Duration) float64 {
	const moment = 10 * time.Millisecond
	if w.Length > 0 && w.Limit >= 0 {
		return w.Limit / w.Length.Seconds()
	}
	// It shows in what there was a moment after the server had said it last.
	then, later := p.pacer.Snapshot(w.Seen), p.pacer.Snapshot(w.Seen+moment)
	if more := later.Windows[i].Remaining - then.Windows[i].Remaining; more > 0 {
		return more / moment.Seconds()
	}
	// Or in when it will be full.
	if full := w.From + (w.To-w.From)/2 - now; full > 0 && w.Limit > w.Remaining {
		return (w.Limit - w.Remaining) / full.Seconds()
	}
	return 0
}

// peek returns the bucket of a key as Snapshot shows it and the one that calls
// go through besides, or nil. Nobody else sees the bucket of a key that is not
// known.
func (l *Limiter) peek(name string) (base, part *bucket, release func()) {
	if b, release := l.peekBase(name); b != nil {
		if known := b.parts.Load(); known != nil {
			part = known.most()
		}
		return b, part, release
	}
	// Behind any of its spaces the name of a part may begin.
	for end := strings.LastIndexByte(name, ' '); end >= 0; end = strings.LastIndexByte(name[:end], ' ') {
		b, release := l.peekBase(name[:end])
		if b == nil {
			continue
		}
		if part := b.partNamed(name); part != nil {
			return b, part, release
		}
		release()
	}
	unknown := &bucket{}
	l.initBucket(&httpx.Key{Name: name}, unknown)
	return unknown, nil, func() {}
}

// peekBase returns the bucket of a key, or nil.
func (l *Limiter) peekBase(name string) (*bucket, func()) {
	keys := []httpx.Key{{Name: name}}
	if scheme, host, ok := strings.Cut(name, "://"); ok {
		keys = append(keys, httpx.Key{Scheme: scheme, Name: host})
	}
	for _, key := range keys {
		if entry, ok := l.buckets.Peek(key, l.recently()); ok {
			return entry.Value(), func() { l.buckets.Release(entry) }
		}
	}
	return nil, nil
}

// partNamed returns the part of b that Snapshot shows as name, or nil.
func (b *bucket) partNamed(name string) *bucket {
	known := b.parts.Load()
	if known == nil {
		return nil
	}
	for _, part := range known.all() {
		if part.key.String() == name {
			return part
		}
	}
	return nil
}
