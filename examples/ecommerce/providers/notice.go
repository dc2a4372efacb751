package providers

import "time"

// Notice is how one attempt to deliver a webhook goes. The zero value is one that goes
// well, at once.
type Notice struct {
	Delay time.Duration // before it goes out
	Kind  NoticeKind
}

// NoticeKind is what becomes of a webhook on its way.
type NoticeKind int

const (
	// Delivered webhooks arrive, and so does the answer.
	Delivered NoticeKind = iota
	// CutOff webhooks break off in the middle of the body. They are sent again.
	CutOff
	// Unheard webhooks arrive, but the answer does not. They are sent again.
	Unheard
	// Repeated webhooks arrive, and are sent again all the same.
	Repeated
)

// noticeOdds are the chances, from 0 to 1, that something happens to one attempt.
type noticeOdds struct{ late, cut, unheard, repeated, forged float64 }

var noticeOddsOf = [...]noticeOdds{
	None:  {},
	Mild:  {late: 0.03, cut: 0.01, unheard: 0.01, repeated: 0.02, forged: 0.01},
	Harsh: {late: 0.15, cut: 0.06, unheard: 0.06, repeated: 0.08, forged: 0.05},
}

// A webhook goes out soon after its event, and overtakes others that are late.
const (
	minNotice = 2 * time.Millisecond
	maxNotice = 20 * time.Millisecond
	lateAfter = 300 * time.Millisecond
)

// Notice returns how the given attempt, counted from 1, to tell of an event goes: that
// something of this kind has happened to an order.
func (p Plan) Notice(kind, order string, attempt int) Notice {
	o := noticeOddsOf[p.level]
	r := p.draw("payments", "notice of "+kind, order, attempt)
	n := Notice{Delay: between(r, minNotice, maxNotice)}
	if r.Float64() < o.late {
		n.Delay += between(r, maxNotice, lateAfter)
	}
	if attempt > MaxFaults {
		return n
	}
	x := r.Float64()
	for _, chance := range []struct {
		odds float64
		kind NoticeKind
	}{{o.cut, CutOff}, {o.unheard, Unheard}, {o.repeated, Repeated}} {
		if x -= chance.odds; x < 0 {
			n.Kind = chance.kind
			break
		}
	}
	return n
}

// Forged says whether somebody who does not know the secret claims, too, that an order
// was paid.
func (p Plan) Forged(order string) bool {
	return p.draw("payments", "forgery", order, 0).Float64() < noticeOddsOf[p.level].forged
}
