package auth

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// maxLifetime is the longest lifetime that is believed, ten years: so far ahead
// no sum overflows.
const maxLifetime = 10 * 365 * 24 * time.Hour

// entry is a token and how long it is good. Only renewing changes.
type entry struct {
	token    *Token
	soft     instant     // from then on it is renewed
	hard     instant     // from then on it is not given out any more
	renewing atomic.Bool // somebody has seen to it
}

// instant is a point in time by both clocks: the monotonic one does not notice
// when somebody sets the time, the other one goes on while the machine sleeps.
// Whichever comes first counts. The zero value never comes.
type instant struct {
	mono time.Time
	wall int64
}

func after(start time.Time, d time.Duration) instant {
	t := start.Add(d)
	return instant{mono: t, wall: t.UnixNano()}
}

func (i instant) passed(now time.Time) bool {
	return i.wall != 0 && (!now.Before(i.mono) || now.UnixNano() >= i.wall)
}

// newEntry works out the times of t, which was asked for at sent and has come
// at now.
func (c *CacheConfig) newEntry(t *Token, sent, now time.Time) *entry {
	own := *t // the Scopes and the Extra are the Source's, and nobody changes them
	e := &entry{token: &own}
	if t.Issued.IsZero() || t.Issued.After(sent) {
		own.Issued = sent
	}
	lifetime, known := c.lifetime(t, sent)
	if !known {
		return e
	}
	own.Expiry = sent.Add(lifetime)
	floor := now.Sub(sent) + c.MinLifetime
	good := max(lifetime-max(0, min(c.Margin, lifetime/10)), floor)
	e.hard = after(sent, good)
	e.soft = e.hard
	if early := c.early(lifetime); early > 0 && lifetime-early > floor {
		e.soft = after(sent, min(good, lifetime-early))
	}
	return e
}

// lifetime returns how long after sent t expires, if that is known.
func (c *CacheConfig) lifetime(t *Token, sent time.Time) (d time.Duration, known bool) {
	switch {
	case t.ExpiresIn != 0:
		d = t.ExpiresIn
	case !t.Expiry.IsZero() && !t.Date.IsZero():
		d = t.Expiry.Sub(t.Date)
	case !t.Expiry.IsZero():
		d = t.Expiry.Sub(sent)
	default:
		d = c.DefaultLifetime
		if d == 0 {
			return 0, false
		}
	}
	return max(0, min(d, maxLifetime)), true
}

// early returns how long before its end a token is renewed; 0 if never.
func (c *CacheConfig) early(lifetime time.Duration) time.Duration {
	early := c.Early
	switch {
	case early < 0:
		return 0
	case early == 0:
		early = max(minEarly, min(lifetime/5, maxEarly))
	}
	early = min(early, lifetime/2)
	return early - rand.N(early/5+1) // #nosec G404 -- jitter needs no secrecy
}
