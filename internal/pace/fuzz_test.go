package pace_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// tape turns the bytes of the fuzzer into choices.
type tape []byte

func (t *tape) next(n int) int {
	if len(*t) == 0 {
		return 0
	}
	b := (*t)[0]
	*t = (*t)[1:]
	return int(b) % n
}

func (t *tape) number() float64 {
	numbers := []float64{
		-1, 0, 1, 2, 3, 10, 50, 99, 100, 101, 598.5, 5000, 1e9, 1e18, 1e308,
		0.25, 1e-300, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), -1e9,
	}
	return numbers[t.next(len(numbers))]
}

func (t *tape) duration() time.Duration {
	durations := []time.Duration{
		-1, 0, 1, ms, 250 * ms, sec, 1500 * ms, 10 * sec, time.Minute, time.Hour, 24 * time.Hour,
		365 * 24 * time.Hour, math.MaxInt64, math.MinInt64,
	}
	return durations[t.next(len(durations))]
}

func (t *tape) quota() pace.Quota {
	return pace.Quota{
		Policy: []string{"", "a", "b", "c", "d", "e", "f", "g", "h", "i"}[t.next(10)],
		Unit:   pace.Unit(t.next(10)),
		Limit:  t.number(), Remaining: t.number(), Used: t.number(),
		Window: t.duration(), ResetIn: t.duration(), FillRate: t.number(),
	}
}

func (t *tape) request() pace.Request {
	r := pace.Request{Interactive: t.next(4) == 0}
	r.Cost[0] = 1
	if t.next(4) == 0 {
		r.Cost[t.next(pace.Units)] = t.number()
	}
	return r
}

// FuzzPlan calls everything in any order and checks what holds for every plan.
func FuzzPlan(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 32 {
		seed := make([]byte, 32*n)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := tape(data)
		c := pace.Config{
			Mode:    pace.Mode(tape.next(3)),
			Reserve: []float64{0, 0.1, 0.99}[tape.next(3)],
			Rate:    []float64{0, 0.001, 5, 1e12}[tape.next(4)],
			MaxWait: []time.Duration{0, 1, sec, time.Hour}[tape.next(4)],
			Jitter:  func() float64 { return 0.5 },
		}
		p := newRules(t, c).NewPacer()
		if c.MaxWait == 0 {
			c.MaxWait = pace.DefaultMaxWait
		}
		if c.Rate == 0 {
			c.Rate = math.Inf(1)
		}
		now := time.Duration(0)
		var tickets []pace.Ticket
		for len(tape) > 0 {
			now += min(max(0, tape.duration()), 24*time.Hour)
			if len(tickets) == 0 || tape.next(3) == 0 {
				tickets = append(tickets, p.Sent(now, tape.request()))
			} else if ticket := &tickets[tape.next(len(tickets))]; tape.next(3) == 0 {
				p.Done(now, ticket, pace.Outcome(tape.next(3)))
			} else {
				quotas := []pace.Quota{tape.quota(), tape.quota()}
				a := pace.Answer{Throttled: tape.next(4) == 0, RetryAfter: tape.duration()}
				p.Observe(now, ticket, quotas[:tape.next(3)], a)
			}
			checkPlan(t, &c, p, now, tape.request())
		}
	})
}

func checkPlan(t *testing.T, c *pace.Config, p *pace.Pacer, now time.Duration, req pace.Request) {
	t.Helper()
	before := p.Snapshot(now)
	plan := p.Plan(now, req)
	require.GreaterOrEqual(t, plan.Until, now)
	require.LessOrEqual(t, plan.Until, now+c.MaxWait)
	require.GreaterOrEqual(t, plan.Resume, plan.Until)
	require.GreaterOrEqual(t, plan.Rate, min(c.Rate, 1/c.MaxWait.Seconds()))
	require.LessOrEqual(t, plan.Rate, c.Rate)
	require.GreaterOrEqual(t, plan.Burst, 1)
	require.Equal(t, before, p.Snapshot(now), "Plan changes nothing")
	require.LessOrEqual(t, len(before.Windows), 8)
	for _, w := range before.Windows {
		require.LessOrEqual(t, w.From, w.To)
		require.False(t, math.IsNaN(w.Remaining) || math.IsInf(w.Remaining, 0))
	}
	require.GreaterOrEqual(t, before.InFlight[0], 0.0)
}

// FuzzStricter checks that with less left, or with one quota more, no plan is
// faster, now or later.
func FuzzStricter(f *testing.F) {
	f.Add([]byte{0, 8, 8}, uint16(10), uint16(500))
	f.Add([]byte("102000000000%000000000000"), uint16(3), uint16(519)) // less than one request was left
	f.Add([]byte{1, 3, 9, 1, 1, 8, 7, 3, 7, 7, 0}, uint16(3), uint16(1200))
	f.Add([]byte("0020001100000"), uint16(3), uint16(1105)) // part of one request has come back
	f.Fuzz(func(t *testing.T, data []byte, less, later uint16) {
		tape := tape(data)
		mode, first, loose, extra := pace.Mode(tape.next(3)), tape.quota(), tape.quota(), tape.quota()
		loose.Policy, loose.Unit, loose.Limit, loose.Used = first.Policy, first.Unit, first.Limit, -1
		first.Used, first.FillRate, loose.FillRate = -1, -1, -1
		loose.Window, loose.ResetIn = first.Window, first.ResetIn
		extra.Policy = "extra"
		strict := loose
		strict.Remaining = max(0, strict.Remaining-float64(less))
		if !(loose.Remaining >= 0) || math.IsInf(loose.Remaining, 1) {
			return // nothing is known, which can't be made stricter
		}
		rules := newRules(t, pace.Config{Mode: mode, Jitter: func() float64 { return 0.5 }})
		run := func(quotas ...pace.Quota) *pace.Pacer {
			p := rules.NewPacer()
			a, b := p.Sent(0, one), p.Sent(10*ms, one)
			p.Observe(100*ms, &a, []pace.Quota{first}, pace.Answer{})
			p.Observe(200*ms, &b, quotas, pace.Answer{})
			p.Done(200*ms, &a, pace.Answered)
			p.Done(200*ms, &b, pace.Answered)
			return p
		}
		now := 200*ms + time.Duration(later)*10*ms
		base := run(loose)
		requireNotFaster(t, base, run(strict), now)
		requireNotFaster(t, base, run(loose, extra), now)
	})
}

func requireNotFaster(t *testing.T, base, strict *pace.Pacer, now time.Duration) {
	t.Helper()
	a, b := base.Plan(now, one), strict.Plan(now, one)
	require.GreaterOrEqual(t, b.Until, a.Until)
	if b.Until > a.Until || strict.Snapshot(now).Restarting {
		return // one at a time is slower than any rate
	}
	require.LessOrEqual(t, b.Rate, a.Rate*(1+1e-9))
	require.LessOrEqual(t, b.Burst, a.Burst)
}

// FuzzOrder checks that the order in which the answers of a window come does not
// matter.
func FuzzOrder(f *testing.F) {
	f.Add(uint64(1), uint8(2))
	f.Add(uint64(7), uint8(30))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		random := rand.New(rand.NewPCG(seed, 0))
		const now = 2 * sec
		sent := make([]time.Duration, n)
		quotas := make([]pace.Quota, n)
		for i := range quotas {
			sent[i] = time.Duration(random.Int64N(int64(now)))
			quotas[i] = quota(float64(random.IntN(100)), time.Duration(8+random.IntN(2))*sec)
		}
		run := func(order []int) pace.Snapshot {
			p := newRules(t, pace.Config{Jitter: func() float64 { return 0.5 }}).NewPacer()
			for _, i := range order {
				ticket := p.Sent(sent[i], one)
				p.Observe(now, &ticket, quotas[i:i+1], pace.Answer{})
			}
			return p.Snapshot(now)
		}
		require.Equal(t, run(random.Perm(int(n))).Windows, run(random.Perm(int(n))).Windows)
	})
}
