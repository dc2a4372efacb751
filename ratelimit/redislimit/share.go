package redislimit

import "time"

// share is what a key may send while Redis does not answer for it.
type share struct {
	active bool
	mode   Mode
	since  time.Duration // when Redis ceased to answer
	joined bool          // Redis has answered again, and knows that we come without credit
	end    time.Duration // then: when the slots of Redis begin

	// The same reckoning that Redis does, for a part of the rate.
	next     time.Duration
	interval time.Duration
	credit   time.Duration
}

// newShare begins with no slot to spend: the burst may have been spent already.
func (l *Limiter) newShare(now time.Duration, replicas int) share {
	s := share{active: true, mode: l.config.Mode, since: now}
	// Four fifths, since replicas may be there that nobody has counted.
	s.interval = scaled(l.interval, float64(replicas)*1.25)
	burst := max(1, int(float64(l.config.Burst)/(float64(replicas)*1.25)))
	s.credit = scaled(s.interval, float64(burst-1))
	s.next = after(now, s.interval, 1)
	return s
}

// date is that of the slot that comes after the next n, forever if none comes.
func (s *share) date(now time.Duration, n int) time.Duration {
	switch s.mode {
	case FailOpen:
		return now
	case FailClosed:
		return forever
	default:
		return after(max(s.next, now-s.credit), s.interval, n)
	}
}

// spend takes the next slot.
func (s *share) spend(now time.Duration) {
	if s.mode == FailLocalShare {
		s.next = s.date(now, 1)
	}
}

// closed reports whether nothing goes before Redis answers.
func (s *share) closed() bool { return s.active && !s.joined && s.mode == FailClosed }

// over reports whether the time of Redis' own slots has come.
func (s *share) over(now time.Duration) bool { return s.joined && s.end <= now }

// grace is how long others may take to notice that Redis is back: what they
// send meanwhile must not come on top of the whole rate.
func (c *Config) grace() time.Duration {
	if c.Mode == FailLocalShare {
		return c.Probe + c.Timeout
	}
	return 0
}
