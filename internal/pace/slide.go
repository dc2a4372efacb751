package pace

import "time"

const (
	// How much of a window that slides is left for the noise in the times that
	// requests take. Nothing is gained by what is left, as it is not in a bucket.
	slideMargin = 0.02

	// Others are seen late. So what is kept for them is so many units, and what
	// goes in that many round trips.
	othersUnits, othersTrips = 2, 2

	// Who uses less than others may use this share of the limit more, so that
	// all of them get the same in the end.
	slideGrowth = 1.0 / 8

	// Each refusal has one unit more kept back, and each request that is sent
	// this much less. So about that many are refused in the end. In a small
	// window it takes ten of them to forget one.
	refusedShare  = 0.005
	refusedAtMost = 1.0 / 10

	// The most that is kept back for that reason, as a share of the limit.
	cautionShare = 1.0 / 8
)

// slide is what is known of a window that slides: that has no reset, and forgets
// each request when it is as old as the window is long.
type slide struct {
	// What was sent of ours. nil of a bucket whose rate of flow is known, and
	// of a quota without a limit.
	trail *trail

	// remaining is what was left when requests that were sent at base came to
	// the server.
	base time.Duration
	rtt  time.Duration // of the answers, smoothed

	// The longest and the shortest time that was told until the reset for each
	// unit that was gone, in seconds, less and plus what rounding may make of it.
	slow, fast float64

	caution   float64 // what is kept back since requests were refused
	refusedAt time.Duration
}

// study notes how long answers take, and what r says of how w works.
func (w *window) study(r *report) {
	s := &w.slide
	if s.rtt == 0 {
		s.rtt = r.now - r.sent
	}
	s.rtt += (r.now - r.sent - s.rtt) / 8
	if !r.timed || r.limit < 0 || r.remaining < 0 || r.fill > 0 {
		return
	}
	used := r.limit - r.remaining
	s.slow = max(s.slow, (r.in-time.Second).Seconds()/(used+1))
	if used >= 2 {
		s.fast = min(s.fast, (r.in+time.Second).Seconds()/(used-1))
	}
}

// follow begins to remember what is sent, or does so anew when the window has
// turned out to be longer than was believed.
func (w *window) follow(r *report, flying float64) {
	s, length := &w.slide, w.span()
	if w.fill > 0 || w.limit < 0 || w.remaining < 0 || length <= 0 {
		s.trail = nil
		return
	}
	if t := s.trail; t == nil || length > t.length()+t.length()/8 {
		s.trail = newTrail(length, r.sent, w.limit-w.remaining)
		s.trail.add(r.sent, flying)
	}
}

// forgets reports whether w is no bucket: a bucket is full after a time that is
// the same for each unit that is gone.
func (w *window) forgets() bool {
	return w.fill <= 0 && w.slide.trail != nil && w.slide.slow > 2*w.slide.fast
}

// slides reports whether w forgets, and not at once.
func (w *window) slides() bool { return w.flows && w.forgets() }

// end is the time by which w is as good as new.
func (w *window) end() time.Duration {
	if w.slides() {
		return max(w.to, w.seen+w.span())
	}
	return w.to
}

// counted is when requests were sent that came to the server with that of r, if
// half of the time of r and of others went by on the way there.
func (w *window) counted(r *report) time.Duration {
	return max(0, r.sent+(r.now-r.sent-w.slide.rtt)/2)
}

// back is how much of ours w forgets between two times.
func (w *window) back(from, to time.Duration) float64 {
	return min(w.slide.trail.left(from, to), w.steady()*(to-from).Seconds())
}

// backBy is the time, after now, at which lack more will have come back. It
// reports false if less than that was sent.
func (w *window) backBy(now time.Duration, lack float64) (time.Duration, bool) {
	s := &w.slide
	from, back := s.base, max(0, w.level(now)-w.remaining)
	if !w.slides() {
		from, back = max(w.to, s.base), w.regained(now)
	}
	at, ok := s.trail.when(from, lack+back)
	soon := time.Duration(min(1/w.steady(), year.Seconds()) * float64(time.Second))
	return max(at, now+soon), ok
}

// regained is how much has surely come back since w, which looks fixed, was over:
// if it has turned out to slide, that of ours which is as old as the window is
// long, and otherwise more.
func (w *window) regained(now time.Duration) float64 {
	if !w.over(now) || w.flows || !w.timed || w.slide.trail == nil || w.brief() {
		return 0
	}
	return max(0, min(w.back(max(w.to, w.slide.base), now), w.limit-w.remaining))
}

// hollow reports whether r was made just after the reset of a window that was
// believed to be fixed, and next to nothing has come back.
func (w *window) hollow(r *report) bool {
	if !w.forgets() || r.now > w.to+w.span()/4 {
		return false // others may have used it since
	}
	back, gone, ok := w.returned(r)
	return ok && back < gone/4
}

// refilled reports whether most of what was gone has come back in r.
func (w *window) refilled(r *report) bool {
	back, gone, ok := w.returned(r)
	return ok && back >= gone/2
}

// returned is how much of what was gone has come back in r, beyond what was
// known to. It reports false if so little was gone that this tells nothing.
func (w *window) returned(r *report) (back, gone float64, ok bool) {
	if w.limit < 0 || w.remaining < 0 || r.remaining < 0 {
		return 0, 0, false
	}
	level := w.level(r.now)
	gone = w.limit - level
	return r.remaining - level, gone, gone >= w.limit/4
}

// own is how much requests of ours have used up of what is gone.
func (w *window) own(now time.Duration) float64 {
	return w.slide.trail.sent(now-w.span(), now)
}

// mostlyOurs reports whether hardly anything went to others.
func (w *window) mostlyOurs(now time.Duration) bool {
	return w.own(now) >= 0.9*(w.limit-w.remaining)
}

// refused notes that nothing was left for a request.
func (w *window) refused(now time.Duration) {
	if w.slides() {
		w.slide.caution, w.slide.refusedAt = min(w.caution(now)+1, cautionShare*w.limit), now
	}
}

// caution is what is kept back at now so that fewer requests are refused.
func (w *window) caution(now time.Duration) float64 {
	s := &w.slide
	if s.caution == 0 || !w.slides() {
		return 0
	}
	windows := (now - s.refusedAt).Seconds() / w.span().Seconds()
	return max(0, s.caution-max(refusedAtMost, refusedShare*w.own(now))*windows)
}

// slideRate is rate for a window that slides. What is sent evenly comes back
// evenly, so all of it can be used at a steady rate. Others are left what they
// use: all that is gone and was not sent from here.
func (w *window) slideRate(now time.Duration, free, flying float64) float64 {
	steady, length, t := w.steady(), w.span().Seconds(), w.slide.trail
	own := max(0, w.own(now)-flying)
	before := t.first * max(0, 1-(now-t.since).Seconds()/length)
	gone := w.limit - w.level(now)
	others := max(0, gone-own-before)
	rate := max(w.limit-others, own+slideGrowth*w.limit) / length
	kept := max(1, slideMargin*w.limit) +
		others/max(1, gone)*(othersUnits+othersTrips*steady*w.slide.rtt.Seconds())
	return min(rate, steady) * min(1, free/kept)
}
