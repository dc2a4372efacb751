package pace_test

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/pace"
)

var one = pace.Request{Cost: pace.Cost{1}}

// paced asks a Pacer and applies its plan to a bucket of package rate, as
// package ratelimit does.
type paced struct {
	pacer  *pace.Pacer
	tokens *rate.Limiter
}

var epoch = time.Unix(0, 0)

func newPaced(rules *pace.Rules) *paced {
	return &paced{rules.NewPacer(), rate.NewLimiter(rate.Inf, 1)}
}

func (s *paced) next(now time.Duration) time.Duration {
	plan := s.pacer.Plan(now, one)
	if plan.Until > now {
		return plan.Until - now
	}
	at := epoch.Add(now)
	limit := rate.Inf
	if !math.IsInf(plan.Rate, 1) {
		limit = rate.Limit(plan.Rate)
	}
	s.tokens.SetLimitAt(at, limit)
	s.tokens.SetBurstAt(at, plan.Burst)
	if s.tokens.AllowN(at, 1) {
		return 0
	}
	return max(1, time.Duration(math.Ceil((1-s.tokens.TokensAt(at))/plan.Rate*float64(sec))))
}

func (s *paced) sent(now time.Duration) *pace.Ticket {
	t := s.pacer.Sent(now, one)
	return &t
}

func (s *paced) answered(now time.Duration, t *pace.Ticket, a answer) {
	s.pacer.Observe(now, t, []pace.Quota{a.quota}, pace.Answer{Throttled: a.throttled})
	s.pacer.Done(now, t, pace.Answered)
}

// reactive waits for the reset after a refusal.
type reactive struct{ until time.Duration }

func (s *reactive) next(now time.Duration) time.Duration { return max(0, s.until-now) }

func (*reactive) sent(time.Duration) *pace.Ticket { return nil }

func (s *reactive) answered(now time.Duration, _ *pace.Ticket, a answer) {
	if a.throttled {
		s.until = max(s.until, now+max(a.quota.ResetIn, 100*ms))
	}
}

// believer believes the answer that came last, and compares its reset with the
// local clock. A decrementing one also counts down what it sends.
type believer struct {
	decrements bool
	skew       time.Duration // of the local clock
	remaining  float64
	resetAt    time.Duration
}

func newBeliever(decrements bool, skew time.Duration) *believer {
	return &believer{decrements, skew, math.Inf(1), 0}
}

func (s *believer) next(now time.Duration) time.Duration {
	if s.remaining > 0 {
		return 0
	}
	if left := s.resetAt - (now + offset + s.skew); left > 0 {
		return left
	}
	s.remaining = math.Inf(1)
	return 0
}

func (s *believer) sent(time.Duration) *pace.Ticket {
	if s.decrements {
		s.remaining--
	}
	return nil
}

func (s *believer) answered(_ time.Duration, _ *pace.Ticket, a answer) {
	s.remaining, s.resetAt = a.quota.Remaining, a.resetAt
}
