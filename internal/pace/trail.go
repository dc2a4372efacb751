package pace

import "time"

const (
	// A trail remembers the length of its window in parts of a 32nd, and some
	// more, since what left the window is asked for while answers are under way.
	trailParts = 32
	trailSlots = trailParts + 4
)

// trail is what requests of ours used up of a quota over the length of its
// window. If the window slides, what was used leaves it in the same order.
type trail struct {
	width time.Duration // of a slot; positive
	last  int64         // the newest slot, counted from the start of all times
	slots [trailSlots]float32

	since time.Duration // when it began
	first float64       // what was used up of the quota by then, whoever did it
}

// newTrail begins a trail of a window of that length, of which some was used
// before.
func newTrail(length, now time.Duration, used float64) *trail {
	width := max(length/trailParts, 1)
	return &trail{width: width, last: int64(now / width), since: now, first: max(0, used)}
}

// length is how long the window is believed to be.
func (t *trail) length() time.Duration { return t.width * trailParts }

// add notes that n were sent at now. It does nothing to a trail that is nil.
func (t *trail) add(now time.Duration, n float64) {
	if t == nil || n == 0 {
		return
	}
	slot := int64(now / t.width)
	if slot-t.last >= trailSlots {
		t.slots, t.last = [trailSlots]float32{}, slot
	}
	for t.last < slot {
		t.last++
		t.slots[t.last%trailSlots] = 0
	}
	if t.last-slot < trailSlots {
		t.slots[slot%trailSlots] += float32(n)
	}
}

// remove takes back n that were sent at now, or that stood there for what had
// been sent before.
func (t *trail) remove(now time.Duration, n float64) {
	if t == nil {
		return
	}
	for slot := min(int64(now/t.width), t.last); n > 0 && slot >= 0 && t.last-slot < trailSlots; slot-- {
		here := &t.slots[slot%trailSlots]
		taken := min(n, float64(*here))
		*here = max(0, *here-float32(taken))
		n -= taken
	}
}

// at is what slot holds, if it is remembered.
func (t *trail) at(slot int64) float64 {
	if slot < 0 || slot > t.last || t.last-slot >= trailSlots {
		return 0
	}
	return float64(t.slots[slot%trailSlots])
}

// sent is how much was sent from one time to another, as if it was sent evenly
// within a slot.
func (t *trail) sent(from, to time.Duration) float64 {
	from = max(from, 0, time.Duration(t.last-trailSlots+1)*t.width)
	to = min(to, time.Duration(t.last+1)*t.width)
	if from >= to {
		return 0
	}
	first, last := int64(from/t.width), int64((to-1)/t.width)
	sum := 0.0
	for i, n := first%trailSlots, last-first; n >= 0; n-- {
		sum += float64(t.slots[i])
		if i++; i == trailSlots {
			i = 0
		}
	}
	before := float64(from-time.Duration(first)*t.width) / float64(t.width)
	after := float64(time.Duration(last+1)*t.width-to) / float64(t.width)
	return max(0, sum-before*t.at(first)-after*t.at(last))
}

// left is how much has left the window between from and to.
func (t *trail) left(from, to time.Duration) float64 {
	return t.sent(from-t.length(), to-t.length())
}

// when is the time at which n have left the window since from. It reports false
// if that many were never sent.
func (t *trail) when(from time.Duration, n float64) (time.Duration, bool) {
	at := max(from-t.length(), 0, time.Duration(t.last-trailSlots+1)*t.width)
	for end := time.Duration(t.last+1) * t.width; at < end; {
		slot := int64(at / t.width)
		next := time.Duration(slot+1) * t.width
		here := t.at(slot) * float64(next-at) / float64(t.width)
		if here >= n && here > 0 {
			return at + time.Duration(n/here*float64(next-at)) + t.length(), true
		}
		n -= here
		at = next
	}
	return 0, false
}
