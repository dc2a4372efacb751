package pace_test

import (
	"math"
	"time"

	"github.com/holdfast-go/holdfast/internal/pace"
)

const (
	limit  = 100
	period = 10 * sec

	// What the clocks of servers show at the start. Resets do not fall on whole
	// seconds, and the fields can't say so.
	offset = 370 * ms
)

func quota(remaining float64, resetIn time.Duration) pace.Quota {
	return pace.Quota{
		Limit: limit, Remaining: remaining, Used: -1,
		Window: -1, ResetIn: resetIn, FillRate: -1,
	}
}

// fixed is a window that starts anew every period. Date and reset are whole
// seconds, rounded down.
type fixed struct {
	limit  float64 // 0: limit
	window int64
	used   float64
}

func (s *fixed) serve(now time.Duration) answer {
	window := int64(now / period)
	if window != s.window {
		s.window, s.used = window, 0
	}
	reset := (time.Duration(window+1)*period + offset).Truncate(sec)
	size := float64(limit)
	if s.limit > 0 {
		size = s.limit
	}
	a := answer{throttled: s.used >= size, resetAt: reset}
	if !a.throttled {
		s.used++
	}
	a.quota = quota(size-s.used, max(0, reset-(now+offset).Truncate(sec)))
	a.quota.Limit = size
	return a
}

// sliding remembers each request for a period. Its reset is the whole period, or
// when the oldest request is forgotten.
type sliding struct {
	log    []time.Duration
	oldest bool
	named  bool // tells the length of the window
}

func (s *sliding) serve(now time.Duration) answer {
	for len(s.log) > 0 && s.log[0] <= now-period {
		s.log = s.log[1:]
	}
	a := answer{throttled: len(s.log) >= limit}
	if !a.throttled {
		s.log = append(s.log, now)
	}
	reset := period
	if s.oldest {
		reset = time.Duration(math.Ceil((s.log[0] + period - now).Seconds())) * sec
	}
	a.resetAt = (now + reset + offset).Truncate(sec)
	a.quota = quota(float64(limit-len(s.log)), reset)
	if s.named {
		a.quota.Window = period
	}
	return a
}

// bucket is a token bucket of limit that fills in a period. Its reset is when it
// will be full.
type bucket struct {
	tokens float64
	last   time.Duration
	rate   bool // tells the fill rate and no reset
}

func (s *bucket) serve(now time.Duration) answer {
	const fill = limit / float64(period/sec)
	s.tokens = min(limit, s.tokens+(now-s.last).Seconds()*fill)
	s.last = now
	a := answer{throttled: s.tokens < 1}
	if !a.throttled {
		s.tokens--
	}
	full := time.Duration((limit - s.tokens) / fill * float64(sec))
	a.resetAt = (now + full + offset).Truncate(sec)
	a.quota = quota(math.Floor(s.tokens), time.Duration(math.Ceil(full.Seconds()))*sec)
	if s.rate {
		a.quota.FillRate, a.quota.ResetIn = fill, -1
	}
	return a
}

// gcra is a virtual schedule of one request per period/limit that may run ahead
// by a burst of 20. Its reset has a fraction.
type gcra struct{ tat time.Duration }

func (s *gcra) serve(now time.Duration) answer {
	const interval, burst = period / limit, 20
	tat := max(s.tat, now)
	a := answer{throttled: tat+interval-now > burst*interval}
	if !a.throttled {
		tat += interval
		s.tat = tat
	}
	a.resetAt = (tat + offset).Truncate(sec)
	a.quota = quota(float64((burst*interval-(tat-now))/interval), tat-now)
	a.quota.Limit = burst
	return a
}
