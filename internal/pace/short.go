package pace

import "time"

// lagWindows is how many windows it takes to forget most of a reset that came
// late: perhaps others were first.
const lagWindows = 128

// short is what is known of a window that is short beside what its reset may lack.
// To wait until the reset has surely come would waste much of the next.
type short struct {
	due    time.Duration // when to ask for the reset as it was told
	blur   time.Duration // how far that may be from the truth
	lag    time.Duration // how much after due it was to be found, by experience
	lowest time.Duration // when the last answer came that had no more than remaining
}

// brief reports whether w is short.
func (w *window) brief() bool {
	return w.short != nil && w.timed && w.short.blur >= w.span()/4
}

// clock begins to note when the reset of w is due.
func (w *window) clock(r *report) {
	if w.short == nil {
		if r.blur == 0 || r.blur < w.span()/4 {
			return
		}
		w.short = &short{}
	}
	w.short.due, w.short.blur, w.short.lowest = r.due, r.blur, r.now
}

// clockAgain takes in what r, which speaks of the same window, says of it.
func (w *window) clockAgain(r *report) {
	s := w.short
	if s == nil {
		return
	}
	if w.brief() && w.remaining == 0 && r.refused && r.sent >= s.due+s.lag {
		s.lag = min(r.sent-s.due+w.look()/2, w.to-s.due)
	}
	if r.remaining >= 0 && (w.remaining < 0 || r.remaining <= w.remaining) {
		s.lowest = max(s.lowest, r.now)
	}
	if r.timed {
		s.due, s.blur = min(s.due, r.due), r.blur
	}
}

// restarted reports whether r shows that a short window has started anew, since
// more remains. The ranges of its resets overlap for ever.
func (w *window) restarted(r *report) bool {
	return w.brief() && r.remaining > w.remaining && r.sent >= w.short.lowest && r.now >= w.from
}

// look is the time between one look at a short window that is spent and the next.
func (w *window) look() time.Duration { return max(w.span(), w.short.blur) / 4 }

// dueAgain is when the next look at a short window that is spent is worth it.
func (w *window) dueAgain() time.Duration {
	return max(w.short.due+w.short.lag, w.seen+w.look())
}
