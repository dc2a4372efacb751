package pace_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// nothing is what an answer without fields says.
var nothing pace.Answer

func half() float64 { return 0.5 }

// exchange is a request that is sent at once and answered rtt later.
func exchange(p *pace.Pacer, now, rtt time.Duration, a pace.Answer, quotas ...pace.Quota) bool {
	t := p.Sent(now, one)
	changed := p.Observe(now+rtt, &t, quotas, a)
	p.Done(now+rtt, &t, pace.Answered)
	return changed
}

// warm is a Pacer that was answered once, by nobody who counts.
func warm(tb testing.TB, c pace.Config) *pace.Pacer {
	tb.Helper()
	if c.Jitter == nil {
		c.Jitter = half
	}
	p := newRules(tb, c).NewPacer()
	exchange(p, 0, ms, nothing)
	return p
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := pace.NewRules(pace.Config{
		Mode: 3, Reserve: 1, Rate: math.NaN(), Guard: -1, MaxWait: -1, ProbeTimeout: -1, Backoff: -1,
	})
	require.Error(t, err)
	require.Len(t, strings.Split(err.Error(), "\n"), 7)
	for _, field := range []string{"Mode", "Reserve", "Rate", "Guard", "MaxWait", "ProbeTimeout", "Backoff"} {
		require.ErrorContains(t, err, "pace: Config."+field)
	}
	_, err = pace.NewRules(pace.Config{Reserve: 0.99, Rate: 1e-9})
	require.NoError(t, err)
}

func TestColdStart(t *testing.T) {
	t.Parallel()
	p := newRules(t, pace.Config{}).NewPacer()
	require.Equal(t, sec, p.Plan(sec, one).Until)
	first := p.Sent(sec, one)
	require.Equal(t, 3*sec, p.Plan(sec, one).Until, "the others wait for its answer")
	require.Equal(t, 3*sec, p.Plan(3*sec, one).Until, "but not for ever")
	second := p.Sent(3*sec, one)
	require.Equal(t, 5*sec, p.Plan(3*sec, one).Until)
	for range 2 {
		p.Sent(5*sec, one)
	}
	require.Equal(t, 7*sec, p.Plan(5*sec, one).Until, "four are on their way")
	p.Done(5*sec, &first, pace.Lost)
	require.Equal(t, 5*sec, p.Plan(5*sec, one).Until, "one was lost, another may try")
	require.Equal(t, 1, p.Plan(5*sec, one).Burst)
	p.Done(5*sec, &second, pace.Answered)
	plan := p.Plan(5*sec, one)
	require.Equal(t, 5*sec, plan.Until, "nobody counts")
	require.True(t, math.IsInf(plan.Rate, 1))
	require.Greater(t, plan.Burst, 1000)
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	tickets := make([]pace.Ticket, 5)
	for i := range tickets {
		tickets[i] = p.Sent(sec, one)
	}
	p.Observe(sec, &tickets[0], []pace.Quota{quota(5, 10*sec)}, nothing)
	p.Done(sec, &tickets[0], pace.Answered)
	require.Equal(t, 1, p.Plan(sec, one).Burst, "five are left, and four may be counted or not")
	p.Sent(sec, one)
	require.Greater(t, p.Plan(sec, one).Until, 11*sec)
	p.Done(sec, &tickets[1], pace.Free)
	p.Done(sec, &tickets[1], pace.Free)
	require.Equal(t, pace.Cost{4}, p.Snapshot(sec).InFlight)
	require.Equal(t, sec, p.Plan(sec, one).Until, "one came back")
	p.Sent(sec, one)
	p.Done(sec, &tickets[2], pace.Lost)
	require.Greater(t, p.Plan(sec, one).Until, 11*sec, "the server may have counted it")
	p.Done(sec, &tickets[3], pace.Answered)
	require.Greater(t, p.Plan(sec, one).Until, 11*sec, "an answer without a report is none")

	exchange(p, 2*sec, ms, nothing, quota(5, 9*sec))
	require.Equal(t, 2, p.Plan(2*sec+ms, one).Burst, "three are on their way, and the lost were not counted")
}

func TestLateNews(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	old := p.Sent(sec, one)
	exchange(p, 15*sec, ms, nothing, quota(90, 10*sec))
	before, plan := p.Snapshot(20*sec), p.Plan(20*sec, one)
	require.False(t, p.Observe(20*sec, &old, []pace.Quota{quota(0, 0)}, nothing), "of the window before")
	require.False(t, p.Observe(20*sec, &old, []pace.Quota{
		{Limit: -1, Remaining: -1, Used: -1, Window: -1, ResetIn: sec, FillRate: -1},
		{Limit: math.NaN(), Remaining: math.Inf(1), Used: math.Inf(-1), ResetIn: sec},
		{Policy: strings.Repeat("x", 1000), Limit: 10, Remaining: 0, ResetIn: sec},
		{Unit: pace.Units, Limit: 10, Remaining: 0, ResetIn: sec},
	}, nothing), "nothing that can be understood")
	require.False(t, p.Observe(20*sec, &old, nil, pace.Answer{RetryAfter: sec}), "no throttle")
	require.Equal(t, before, p.Snapshot(20*sec))
	require.Equal(t, plan, p.Plan(20*sec, one))
}

func TestUnits(t *testing.T) {
	t.Parallel()
	const tokens = 1
	p := warm(t, pace.Config{Mode: pace.Burst})
	q := quota(50, 10*sec)
	q2 := quota(1000, 60*sec)
	q2.Unit, q2.Limit = tokens, 10_000
	exchange(p, sec, 0, nothing, q, q2)
	cost := func(n float64) pace.Request { return pace.Request{Cost: pace.Cost{1, n}} }
	require.Equal(t, 50, p.Plan(sec, cost(0)).Burst)
	require.Equal(t, 10, p.Plan(sec, cost(100)).Burst, "all must admit")
	require.Greater(t, p.Plan(sec, cost(1001)).Until, time.Minute)
	require.Greater(t, p.Plan(sec, cost(1e9)).Until, time.Minute, "more than there ever is")
	q2.Remaining = 10_000
	exchange(p, 2*time.Minute, 0, nothing, q2)
	require.Equal(t, 2*time.Minute, p.Plan(2*time.Minute, cost(1e9)).Until, "goes when all is there")
	q2.Remaining = 0
	exchange(p, 2*time.Minute+ms, 0, nothing, q2)
	require.Greater(t, p.Plan(2*time.Minute+ms, cost(0)).Until, 3*time.Minute, "an unknown cost waits too")
}

func TestReserve(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst, Reserve: 0.2})
	exchange(p, sec, 0, nothing, quota(20, 10*sec))
	require.Greater(t, p.Plan(sec, one).Until, 10*sec)
	plan := p.Plan(sec, pace.Request{Cost: pace.Cost{1}, Interactive: true})
	require.Equal(t, sec, plan.Until)
	require.Equal(t, 20, plan.Burst)
}

func TestSpeedUpsAreCapped(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{Mode: pace.Burst})
	burst := func(now time.Duration, size float64) int {
		q := quota(size, 10*sec)
		q.Limit = size
		exchange(p, now, 0, nothing, q)
		return p.Plan(now, one).Burst
	}
	require.Equal(t, 100, burst(sec, 100))
	require.Equal(t, 200, burst(12*sec, 100_000))
	require.Equal(t, 400, burst(24*sec, 100_000))
	require.Equal(t, 10, burst(36*sec, 10))

	t.Run("the ratio is no rate", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{})
		q := quota(10_000, 10*sec)
		q.Limit, q.Window = 10_000, 1000*sec
		exchange(p, sec, 0, nothing, q)
		require.InDelta(t, 20, p.Plan(sec, one).Rate, 1e-9)
	})
	t.Run("the own rate counts", func(t *testing.T) {
		t.Parallel()
		p := warm(t, pace.Config{Rate: 3})
		require.InDelta(t, 3, p.Plan(sec, one).Rate, 0)
		exchange(p, sec, 0, nothing, quota(1e9, sec))
		require.InDelta(t, 3, p.Plan(sec, one).Rate, 0)
		require.Equal(t, 3, p.Plan(sec, one).Burst)
	})
}

func TestLongWaits(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	p := warm(t, pace.Config{})
	exchange(p, ms, 0, nothing, quota(1, day)) // more than 0, so that 0 is believed
	exchange(p, sec, 0, nothing, quota(0, day))
	plan := p.Plan(sec, one)
	require.Equal(t, sec+10*time.Minute, plan.Until)
	require.Greater(t, plan.Resume, day)
	for range 5 {
		now := p.Plan(plan.Until, one).Until
		require.Equal(t, plan.Until, now, "one goes and asks")
		probe := p.Sent(now, one)
		require.Greater(t, p.Plan(now, one).Until, now, "and no other")
		p.Observe(now+sec, &probe, []pace.Quota{quota(0, day-now)}, pace.Answer{})
		p.Done(now+sec, &probe, pace.Answered)
		plan = p.Plan(now+sec, one)
		require.Equal(t, now+sec+10*time.Minute, plan.Until)
	}
	plan = p.Plan(plan.Until-ms, one)
	require.Greater(t, plan.Resume, day)
}

func TestManyPolicies(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	spent := quota(0, time.Minute)
	exchange(p, sec, 0, nothing, spent)
	quotas := make([]pace.Quota, 1000)
	for i := range quotas {
		quotas[i] = quota(50, 10*sec)
		quotas[i].Policy = strconv.Itoa(i)
	}
	quotas[999].Remaining = 0
	for i := range 10 {
		exchange(p, 2*sec+time.Duration(i), 0, nothing, quotas...)
	}
	s := p.Snapshot(3 * sec)
	require.Len(t, s.Windows, 8)
	require.Greater(t, p.Plan(3*sec, one).Until, time.Minute, "what is spent is not forgotten")
	for i := range quotas[:8] {
		quotas[i].Remaining = 0
	}
	exchange(p, 4*sec, 0, nothing, quotas[:8]...)
	require.False(t, exchange(p, 5*sec, 0, nothing, quotas[20]), "nor even when all are spent")
	for _, w := range s.Windows {
		if w.Policy != "" {
			n, err := strconv.Atoi(w.Policy)
			require.NoError(t, err)
			require.Less(t, n, 64, "no more than 64 of an answer are looked at")
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, mode := range []pace.Mode{pace.Spread, pace.Burst, pace.Threshold} {
		p := newRules(t, pace.Config{Mode: mode}).NewPacer()
		quotas := []pace.Quota{quota(50, 10*sec), quota(500, 60*sec)}
		quotas[1].Policy = "minute"
		now := time.Duration(0)
		step := func() {
			now += 100 * ms
			p.Plan(now, one)
			ticket := p.Sent(now, one)
			quotas[0].Remaining = float64(now / sec % 100)
			p.Observe(now+50*ms, &ticket, quotas, nothing)
			p.Done(now+50*ms, &ticket, pace.Answered)
		}
		step()
		require.Zero(t, testing.AllocsPerRun(1000, step))
	}
}

func BenchmarkExchange(b *testing.B) {
	p := newRules(b, pace.Config{}).NewPacer()
	quotas := []pace.Quota{quota(50, 10*sec), quota(500, 60*sec)}
	quotas[1].Policy = "minute"
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += ms {
		p.Plan(now, one)
		ticket := p.Sent(now, one)
		p.Observe(now, &ticket, quotas, nothing)
		p.Done(now, &ticket, pace.Answered)
	}
}

func BenchmarkObserveManyPolicies(b *testing.B) {
	p := newRules(b, pace.Config{}).NewPacer()
	quotas := make([]pace.Quota, 1000)
	for i := range quotas {
		quotas[i] = quota(50, 10*sec)
		quotas[i].Policy = strconv.Itoa(i)
	}
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += ms {
		ticket := p.Sent(now, one)
		p.Observe(now, &ticket, quotas, nothing)
		p.Done(now, &ticket, pace.Answered)
	}
}
