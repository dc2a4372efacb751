package pace_test

import (
	"math"
	"time"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// What the clocks of servers show at the start. Resets do not fall on whole
// seconds, and the fields can't say so.
const offset = 370 * ms

// size is how much a server allows in which time.
type size struct {
	limit  float64
	period time.Duration
}

// limit is what most tests allow, in ten seconds.
const limit = 100

var usual = size{limit, 10 * sec}

// perSecond is the rate at which a server of size s can be used for ever.
func (s size) perSecond() float64 { return s.limit / s.period.Seconds() }

func (s size) quota(remaining float64, resetIn time.Duration) pace.Quota {
	q := quota(remaining, resetIn)
	q.Limit = s.limit
	return q
}

func quota(remaining float64, resetIn time.Duration) pace.Quota {
	return pace.Quota{
		Limit: limit, Remaining: remaining, Used: -1,
		Window: -1, ResetIn: resetIn, FillRate: -1,
	}
}

// fixed is a window that starts anew every period. Date and reset are whole
// seconds, rounded down.
type fixed struct {
	size
	window int64
	used   float64
}

func newFixed(s size) server { return &fixed{size: s} }

func (s *fixed) serve(now time.Duration) answer {
	window := int64(now / s.period)
	if window != s.window {
		s.window, s.used = window, 0
	}
	reset := (time.Duration(window+1)*s.period + offset).Truncate(sec)
	a := answer{throttled: s.used >= s.limit, resetAt: reset}
	if !a.throttled {
		s.used++
	}
	a.quota = s.quota(s.limit-s.used, max(0, reset-(now+offset).Truncate(sec)))
	return a
}

// sliding remembers each request for a period. Its reset is the whole period, or
// when the oldest request is forgotten.
type sliding struct {
	size
	log    []time.Duration
	oldest bool
	named  bool // tells the length of the window
}

func newSliding(s size) server       { return &sliding{size: s} }
func newSlidingNamed(s size) server  { return &sliding{size: s, named: true} }
func newSlidingOldest(s size) server { return &sliding{size: s, oldest: true} }
func newSlidingDraft(s size) server  { return &sliding{size: s, oldest: true, named: true} }

func (s *sliding) serve(now time.Duration) answer {
	for len(s.log) > 0 && s.log[0] <= now-s.period {
		s.log = s.log[1:]
	}
	a := answer{throttled: float64(len(s.log)) >= s.limit}
	if !a.throttled {
		s.log = append(s.log, now)
	}
	reset := s.period
	if s.oldest {
		reset = time.Duration(math.Ceil((s.log[0] + s.period - now).Seconds())) * sec
	}
	a.resetAt = (now + reset + offset).Truncate(sec)
	a.quota = s.quota(s.limit-float64(len(s.log)), reset)
	if s.named {
		a.quota.Window = s.period
	}
	return a
}

// weighted is the approximation of a sliding window that needs two counters: the
// requests of this period, and those of the one before as far as it would still
// be seen. Its reset is the end of the period.
type weighted struct {
	size
	window       int64
	before, used float64
}

func newWeighted(s size) server { return &weighted{size: s} }

func (s *weighted) serve(now time.Duration) answer {
	switch window := int64(now / s.period); window - s.window {
	case 0:
	case 1:
		s.window, s.before, s.used = window, s.used, 0
	default:
		s.window, s.before, s.used = window, 0, 0
	}
	left := time.Duration(s.window+1)*s.period - now
	old := s.before * left.Seconds() / s.period.Seconds()
	a := answer{throttled: old+s.used+1 > s.limit}
	if !a.throttled {
		s.used++
	}
	reset := time.Duration(math.Ceil(left.Seconds())) * sec
	a.resetAt = (now + reset + offset).Truncate(sec)
	a.quota = s.quota(math.Floor(max(0, s.limit-old-s.used)), reset)
	return a
}

// bucket is a token bucket of limit that fills in a period. Its reset is when it
// will be full.
type bucket struct {
	size
	tokens float64
	last   time.Duration
	rate   bool // tells the fill rate and no reset
}

func newBucket(s size) server      { return &bucket{size: s, tokens: s.limit} }
func newBucketRated(s size) server { return &bucket{size: s, tokens: s.limit, rate: true} }

func (s *bucket) serve(now time.Duration) answer {
	fill := s.perSecond()
	s.tokens = min(s.limit, s.tokens+(now-s.last).Seconds()*fill)
	s.last = now
	a := answer{throttled: s.tokens < 1}
	if !a.throttled {
		s.tokens--
	}
	full := time.Duration((s.limit - s.tokens) / fill * float64(sec))
	a.resetAt = (now + full + offset).Truncate(sec)
	a.quota = s.quota(math.Floor(s.tokens), time.Duration(math.Ceil(full.Seconds()))*sec)
	if s.rate {
		a.quota.FillRate, a.quota.ResetIn = fill, -1
	}
	return a
}

// gcra is a virtual schedule of one request per period/limit that may run ahead
// by a burst of a fifth of the limit. Its reset has a fraction.
type gcra struct {
	size
	tat time.Duration
}

func newGCRA(s size) server { return &gcra{size: s} }

func (s *gcra) serve(now time.Duration) answer {
	interval, burst := s.period/time.Duration(s.limit), int64(s.limit/5)
	ahead := time.Duration(burst) * interval
	tat := max(s.tat, now)
	a := answer{throttled: tat+interval-now > ahead}
	if !a.throttled {
		tat += interval
		s.tat = tat
	}
	a.resetAt = (tat + offset).Truncate(sec)
	a.quota = quota(float64((ahead-(tat-now))/interval), tat-now)
	a.quota.Limit = float64(burst)
	return a
}
