package pace

import (
	"math"
	"strings"
	"time"
)

const (
	// A limit, or a rate of flow, is believed to grow by this factor from one
	// window to the next.
	slew = 2

	// The reset of a window moved this often before it could come, or what
	// remains rose this often without a reset: the quota flows.
	evidence = 2

	// Below this share of its limit a quota is low. When it starts anew,
	// everybody who waited comes at once, so one goes ahead and looks. If it
	// flows, what is left is for others to find.
	lowShare = 0.05
)

// window is what is known of one quota.
//
// Each answer says between which times the reset lies. Answers whose ranges
// overlap speak of the same window: there remaining only falls and the range
// only shrinks, so that their order does not matter. A range that lies wholly
// later belongs to a newer window, which replaces this one; one that lies wholly
// earlier is late news.
type window struct {
	id        identity
	limit     float64
	remaining float64
	fill      float64
	length    time.Duration
	from, to  time.Duration
	seen      time.Duration // when the last answer of this window came
	shortest  time.Duration // the shortest time to a reset that an answer told of
	longest   time.Duration // the longest
	ceiling   float64       // the most that is believed to be the limit
	jitter    time.Duration // what a restart after this window waits beyond to

	// Since opened, when first remained, requests of ours used up ours. What
	// else is gone went to others. Before that, they took a rate of before.
	opened      time.Duration
	first, ours float64
	before      float64

	// missed is the cost of requests that ended without a report, until a
	// request sent after missedAt brings one. Those that end meanwhile are
	// recent: with many on their way there is always one that has just ended.
	missed, recent     float64
	missedAt, recentAt time.Duration

	// flows is set for what is no fixed window: a token bucket, or a window
	// that slides. There the latest answer is the best.
	flows bool
	timed bool  // an answer said when the reset is
	moved uint8 // resets that moved before they could come, in a row
	rises uint8 // rises of remaining that no reset explains, in a row

	slide slide
	zero  zero
	short *short // nil of a window that was never short
}

// open makes w the first window of a quota.
func (w *window) open(r *report, jitter float64) {
	id := r.id
	id.policy = strings.Clone(id.policy)
	id.resource = strings.Clone(id.resource)
	id.partition = strings.Clone(id.partition)
	*w = window{
		id: id, limit: unknown, length: unknown, shortest: year, ceiling: r.limit,
		fill: r.fill, flows: r.fill > 0, slide: slide{fast: math.Inf(1)}, zero: zero{trust: zeroTrust},
	}
	w.replace(r)
	w.start(jitter)
}

// start begins to count what happens in a window.
func (w *window) start(jitter float64) {
	w.opened, w.first, w.ours, w.missed, w.recent = w.seen, w.remaining, 0, 0, 0
	w.jitter = time.Duration(jitter * float64(min(w.span()/20, time.Second/2)))
}

// replace lets r be what is known.
func (w *window) replace(r *report) {
	w.remaining = r.remaining
	if r.limit >= 0 {
		w.limit = r.limit
	}
	if r.length >= 0 {
		w.length = r.length
	}
	if w.ceiling >= 0 {
		w.limit = min(w.limit, w.ceiling)
		w.remaining = min(w.remaining, w.ceiling)
	}
	w.from, w.to, w.timed, w.seen = r.from, r.to, r.timed, r.now
	w.slide.base = w.counted(r)
	w.shortest, w.longest = min(w.shortest, r.in), max(w.longest, r.in)
	w.clock(r)
	w.find(r.sent)
}

// roll replaces w by the window after it.
func (w *window) roll(r *report, jitter float64) {
	switch {
	case r.now < w.from:
		w.count(&w.moved)
	case w.hollow(r):
		w.flows = true
	default:
		w.moved, w.rises, w.flows = 0, 0, w.fill > 0
	}
	if w.short != nil {
		w.short.lag -= w.short.lag / lagWindows
	}
	w.before = w.others(r.now, 0)
	w.slewTo(r)
	w.refill(r, slew)
	w.replace(r)
	w.start(jitter)
}

// slewTo decides how much of a limit to believe in the window that r opens.
// Without a limit, the most that ever remained stands for it.
func (w *window) slewTo(r *report) {
	size := r.limit
	if size < 0 {
		size = max(r.remaining, w.ceiling)
	}
	if w.ceiling >= 0 {
		size = min(size, slew*max(1, w.ceiling))
	}
	w.ceiling = size
}

// refill takes over the rate of flow, if it is at most growth times as high as
// before.
func (w *window) refill(r *report, growth float64) {
	switch {
	case r.fill < 0:
		return
	case w.fill > 0:
		w.fill = min(r.fill, growth*w.fill)
	default:
		w.fill = r.fill
	}
	w.flows = true
}

// count notes a sign that w flows.
func (w *window) count(signs *uint8) {
	*signs = min(*signs+1, evidence)
	w.flows = w.flows || *signs == evidence
}

// merge takes r in. It reports whether anything is different now.
func (w *window) merge(r *report, jitter func() float64) bool {
	before := *w
	switch {
	case w.slides() && r.remaining >= 0 && !w.over(r.now) && !w.refilled(r):
		w.flow(r)
	case r.to < w.from:
		return false // late news of an older window
	case r.from > w.to || r.sent >= w.to:
		w.roll(r, jitter())
		return true
	case r.remaining < 0:
		w.narrow(r)
	case w.flows || w.remaining < 0:
		w.flow(r)
	case w.restarted(r):
		w.roll(r, jitter())
		return true
	case r.remaining > w.remaining && r.sent >= w.seen:
		w.rise(r, jitter)
	default:
		if r.remaining < w.remaining && r.sent >= w.seen {
			w.rises = 0
		}
		w.narrow(r)
	}
	return *w != before
}

// flow takes in an r of what flows: the latest, or what is worse.
func (w *window) flow(r *report) {
	switch {
	case r.sent >= w.seen || w.remaining < 0:
		w.refill(r, 1)
		w.replace(r)
	case !w.slides():
		if r.remaining < w.level(r.now) {
			w.narrow(r)
		}
	case r.remaining+w.back(w.counted(r), r.now) < w.level(r.now):
		w.remaining, w.seen, w.slide.base = r.remaining, r.now, w.counted(r)
		w.limit = lesser(w.limit, r.limit)
	}
}

// rise judges an r that was surely made after what is known, and has more left.
// Servers that count apart from each other contradict themselves like that.
func (w *window) rise(r *report, jitter func() float64) {
	if !w.timed && !r.timed {
		w.roll(r, jitter()) // nothing else would show that the window is new
		return
	}
	w.count(&w.rises)
	if w.flows {
		w.replace(r)
		return
	}
	w.narrow(r)
}

// narrow takes the stricter of everything from r, which speaks of the same
// window.
func (w *window) narrow(r *report) {
	w.clockAgain(r)
	if r.remaining >= 0 && r.remaining <= w.remaining {
		w.slide.base = w.counted(r)
	}
	w.remaining = lesser(w.remaining, r.remaining)
	w.limit = lesser(w.limit, r.limit)
	if r.timed || !w.timed {
		w.from, w.to = max(w.from, r.from), min(w.to, r.to)
	}
	w.timed = w.timed || r.timed
	w.seen = max(w.seen, r.now)
	w.find(r.sent)
}

// miss notes that a request ended without a report.
func (w *window) miss(now time.Duration, cost float64) {
	if w.missed == 0 {
		w.missed, w.missedAt = cost, now
		return
	}
	w.recent += cost
	w.recentAt = now
}

// find notes that a request that was sent then brought a report, in which those
// that had ended before are counted.
func (w *window) find(sent time.Duration) {
	if sent >= w.missedAt {
		w.missed, w.missedAt = w.recent, w.recentAt
		w.recent = 0
	}
	if sent >= w.missedAt {
		w.missed = 0
	}
}

// lesser is the smaller of two amounts, of which one may be unknown.
func lesser(a, b float64) float64 {
	if a < 0 || b < 0 {
		return max(a, b)
	}
	return min(a, b)
}

// steady is the rate at which w can be used for ever.
func (w *window) steady() float64 {
	if w.limit >= 0 && w.span() > 0 {
		return w.limit / w.span().Seconds()
	}
	return math.Inf(1)
}

// level is what remains at now, as far as can be told: a bucket whose rate is
// known fills by itself, and a window that slides forgets what was sent.
func (w *window) level(now time.Duration) float64 {
	if w.remaining < 0 {
		return w.remaining
	}
	level := w.remaining
	switch {
	case w.fill > 0:
		level += w.fill * (now - w.seen).Seconds()
	case w.slides():
		level += w.back(w.slide.base, now)
	}
	if w.limit >= 0 {
		level = min(level, w.limit)
	}
	return max(0, level-w.missed-w.recent)
}

// low reports whether those who want to send may be standing in a queue.
func (w *window) low(now time.Duration) bool {
	return w.limit < 0 || w.level(now) <= lowShare*w.limit
}

// full is the size that w starts anew with, or what it had at least.
func (w *window) full() float64 {
	if w.limit >= 0 {
		return w.limit
	}
	return max(0, w.remaining)
}

// over reports whether w has surely ended by now.
func (w *window) over(now time.Duration) bool { return now >= w.end() }

// rate is how many units per second w allows at now, when free are left and
// flying are on their way.
func (w *window) rate(now time.Duration, free, flying float64, mode Mode) float64 {
	steady := w.steady()
	switch {
	case w.remaining < 0:
		return steady
	case mode == Burst, mode == Threshold && w.limit >= 0 && free >= w.limit/5:
		return math.Inf(1)
	case w.over(now):
		return steady
	case w.fill > 0 && w.limit >= 0:
		// As if the time at which it is full were its reset. Where there are
		// many of us, all slow down long before it is empty.
		left := max((w.full()-free)/w.fill, slice.Seconds()/10)
		return min(free/left, slew*w.fill)
	case w.fill > 0:
		return w.politely(free, w.fill)
	case w.slides(), mode == Spread && w.moved > 0 && w.forgets():
		return w.slideRate(now, free, flying)
	case w.flows && w.shortest > w.longest/2:
		// The reset is no time at which anything happens.
		return w.politely(free, steady)
	case !w.timed && w.length < 0:
		return math.Inf(1)
	}
	if s := w.short; s != nil && s.blur >= w.span() && !w.flows {
		// How much of its time is left is anybody's guess.
		return w.politely(free, max(steady-w.others(now, flying), steady/2))
	}
	// The middle of the range is the best guess of the reset. Near it, or past
	// it, what is left may go at a pace that still is none of panic. Others are
	// left what they take, but not more than half: two who are that polite to
	// each other still use all of it.
	left := max((w.to-w.from)/2+w.from-now, (w.to-w.from)/4, time.Millisecond).Seconds()
	even := free / left
	if !w.flows {
		even = max(even-w.others(now, flying), even/2)
	}
	return min(even, slew*steady)
}

// politely slows down from rate when little is left, so that others find
// something.
func (w *window) politely(free, rate float64) float64 {
	return rate * min(1, free/max(1, lowShare*w.full()))
}

// span is how long the window lasts, or at least how long it was seen to last.
func (w *window) span() time.Duration {
	if w.length > 0 {
		return w.length
	}
	return w.longest
}

// others is how many units per second go to others, as far as is certain while
// flying are on their way. A window starts with the rate of the one before,
// which counts as much as a fifth of the time that it lasts.
func (w *window) others(now time.Duration, flying float64) float64 {
	if w.first < 0 || w.remaining < 0 {
		return 0
	}
	gone := max(0, w.first-w.remaining-w.ours-flying)
	trial := max(w.to-w.opened, time.Millisecond).Seconds() / 5
	return (gone + w.before*trial) / (max(0, min(now, w.to)-w.opened).Seconds() + trial)
}
