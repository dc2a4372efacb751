package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// budget says how much may be sent, and from when on. It is the only thing that
// knows where tokens come from. The lock of its bucket guards it, and its times
// are told in order: an older one after a newer would fill it twice for the
// same stretch of time.
//
// rate.Limiter gives the tokens and is not the queue: a reservation can't be
// moved when the server asks for a pause, and giving one back leaves a hole or
// lets two go at once.
type budget struct {
	tokens *rate.Limiter // nil when there is no rate
	gate   time.Duration // nothing is sent before this time
}

// at converts a time since the start to the time that package rate wants. Which
// start that is makes no difference to it.
func (*budget) at(now time.Duration) time.Time { return time.Unix(0, int64(now)) }

// take takes cost tokens if they are there. A cost above the burst takes a full
// bucket and leaves a debt.
func (u *budget) take(now time.Duration, cost int) bool {
	if u.gate > now {
		return false
	}
	if u.tokens == nil || u.tokens.AllowN(u.at(now), cost) {
		return true
	}
	if cost == 1 {
		return false
	}
	burst := u.tokens.Burst()
	if cost <= burst || !u.tokens.AllowN(u.at(now), burst) {
		return false
	}
	u.charge(now, cost-burst)
	return true
}

// charge takes n tokens whether they are there or not.
func (u *budget) charge(now time.Duration, n int) {
	if u.tokens == nil || n <= 0 {
		return
	}
	at, burst := u.at(now), u.tokens.Burst()
	if n <= burst {
		u.tokens.ReserveN(at, n)
		return
	}
	// Package rate reserves no more than a burst. No time passes between these
	// three, so the larger one fills nothing.
	u.tokens.SetBurstAt(at, n)
	u.tokens.ReserveN(at, n)
	u.tokens.SetBurstAt(at, burst)
}

// give adds n tokens. Adding by a negative reservation never leaves more than a
// burst; rate's Cancel does nothing for a token whose time has come.
func (u *budget) give(now time.Duration, n int) {
	if u.tokens != nil && n > 0 {
		u.tokens.ReserveN(u.at(now), -n)
	}
}

// settle takes extra tokens, or gives them back if that is negative. It takes
// no more than leaves a debt of longest. There must be a rate. rest is the
// fraction of a token that is left over from one time to the next.
func (u *budget) settle(now time.Duration, extra float64, rest *float64, longest time.Duration) {
	room := max(0, u.tokens.TokensAt(u.at(now))+float64(u.tokens.Limit())*longest.Seconds())
	*rest += min(max(extra, -maxBurst), room, maxBurst)
	whole := math.Trunc(*rest)
	*rest -= whole
	u.charge(now, int(whole))
	u.give(now, int(-whole))
}

// set changes the rate and the burst, which must be positive.
func (u *budget) set(now time.Duration, limit rate.Limit, burst int) {
	if u.tokens == nil {
		u.tokens = rate.NewLimiter(limit, burst)
		u.charge(now, burst) // what was sent up to now came from it
		return
	}
	u.tokens.SetLimitAt(u.at(now), limit)
	u.tokens.SetBurstAt(u.at(now), burst)
}

// outlook is how the budgets of a bucket go on: its own, and what its server
// allows.
type outlook struct {
	own, paced forecast
	beyond     time.Duration // when the server serves again, if that is too far away to wait for
}

// wait is the longer of the waits.
func (o outlook) wait(ahead int64, cost int) time.Duration {
	return max(o.own.wait(ahead, cost), o.paced.wait(ahead, cost))
}

// forecast is how a budget goes on if nobody but those in the queue takes from
// it.
type forecast struct {
	hold   time.Duration // from now on
	tokens float64       // when the hold is over
	rate   float64       // tokens per second; 0 means no limit
	burst  float64
}

func (u *budget) forecast(now time.Duration) forecast {
	f := forecast{hold: max(0, u.gate-now)}
	if u.tokens != nil {
		f.tokens = u.tokens.TokensAt(u.at(now + min(f.hold, forever-now)))
		f.rate, f.burst = float64(u.tokens.Limit()), float64(u.tokens.Burst())
	}
	return f
}

// wait is how long a call of that cost waits that has calls before it which
// cost ahead together: until the hold is over, and then for the tokens that the
// bucket does not have by that time. It is at least a nanosecond.
func (f forecast) wait(ahead int64, cost int) time.Duration {
	if f.rate == 0 {
		return max(1, f.hold)
	}
	missing := float64(ahead) + min(float64(cost), f.burst) - f.tokens
	wait := missing / f.rate * float64(time.Second)
	if wait >= float64(forever-f.hold) {
		return forever
	}
	return max(1, f.hold+ceil(max(0, wait)))
}

// ceil converts nanoseconds to a duration, rounding up so that a wait does not
// become none.
func ceil(ns float64) time.Duration {
	if ns >= float64(forever) {
		return forever
	}
	return time.Duration(math.Ceil(ns))
}
