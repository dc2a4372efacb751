package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

func TestRetryAfterHolds(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	late := p.Sent(sec, one)
	exchange(p, sec, 0, pace.Answer{Throttled: true, RetryAfter: 30 * sec})
	require.Equal(t, 31*sec, p.Plan(sec, one).Until)
	require.False(t, p.Observe(2*sec, &late, nil, pace.Answer{Throttled: true, RetryAfter: sec}))
	require.Equal(t, 31*sec, p.Plan(2*sec, one).Until, "never shortened")
	require.Equal(t, 1, p.Snapshot(2*sec).Strikes, "they were on their way together")
	require.True(t, p.Observe(3*sec, &late, nil, pace.Answer{Throttled: true, RetryAfter: time.Minute}))
	require.Equal(t, 63*sec, p.Plan(3*sec, one).Until)
}

func TestHostilePause(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{MaxWait: time.Minute})
	exchange(p, sec, 0, pace.Answer{Throttled: true, RetryAfter: 1<<63 - 1})
	plan := p.Plan(sec, one)
	require.Equal(t, sec+time.Minute, plan.Until)
	require.Equal(t, sec+365*24*time.Hour, plan.Resume)
	probe := p.Sent(plan.Until, one)
	require.Greater(t, p.Plan(plan.Until, one).Until, plan.Until, "one asks")
	p.Done(plan.Until+ms, &probe, pace.Answered)
	after := plan.Until + ms
	require.Equal(t, after, p.Plan(after, one).Until)
	require.Equal(t, after, p.Plan(after, one).Resume, "it served")
}

// After a hold, requests come back a few at a time, more with each answer.
func TestComesBackSlowly(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	exchange(p, sec, 0, pace.Answer{Throttled: true, RetryAfter: 9 * sec})
	now := 10 * sec
	var sizes []int
	for range 7 {
		var tickets []pace.Ticket
		for p.Plan(now, one).Until == now && len(tickets) < 100 {
			require.True(t, len(sizes) > 4 || p.Plan(now, one).Burst == 1)
			tickets = append(tickets, p.Sent(now, one))
		}
		sizes = append(sizes, len(tickets))
		now += 100 * ms
		for i := range tickets {
			p.Done(now, &tickets[i], pace.Answered)
		}
	}
	require.Equal(t, []int{1, 2, 4, 8, 16, 32, 100}, sizes)
	require.Zero(t, p.Snapshot(now).Strikes)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	now := sec
	var waits []time.Duration
	for range 14 {
		exchange(p, now, 0, pace.Answer{Throttled: true})
		until := p.Plan(now, one).Until
		waits = append(waits, until-now)
		now = until
	}
	// Half of an end that doubles, because the dice always fall on a half. The
	// first throttle in a row and the second both start at the beginning.
	require.Equal(t, []time.Duration{
		500 * ms, 500 * ms, sec, 2 * sec, 4 * sec, 8 * sec, 16 * sec, 32 * sec, 64 * sec, 128 * sec,
		256 * sec, 300 * sec, 300 * sec, 300 * sec,
	}, waits)
}

// A server that refuses everything and asks for next to nothing is left alone
// more and more.
func TestRefusesEverything(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]pace.Answer{
		"without anything":     {Throttled: true},
		"with a tiny pause":    {Throttled: true, RetryAfter: 1},
		"with a negative wish": {Throttled: true, RetryAfter: -1 << 63},
	} {
		p := warm(t, pace.Config{})
		sent := 0
		for now := sec; now < time.Hour; now = max(now+10*ms, p.Plan(now, one).Until) {
			var tickets []pace.Ticket
			for p.Plan(now, one).Until == now && len(tickets) < 32 {
				tickets = append(tickets, p.Sent(now, one))
			}
			sent += len(tickets)
			for i := range tickets {
				p.Observe(now+10*ms, &tickets[i], nil, a)
				p.Done(now+10*ms, &tickets[i], pace.Answered)
			}
			require.True(t, len(tickets) <= 1 || now == sec, name)
		}
		require.Less(t, sent, 32+30, name)
	}
}

func TestSpentNeedsNoBackoff(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	exchange(p, sec, 0, pace.Answer{Throttled: true}, quota(0, 5*sec))
	require.InDelta(t, 7.25, p.Plan(sec, one).Until.Seconds(), 0.3, "the reset says when")
	require.Zero(t, p.Snapshot(sec).Held)
	p = warm(t, pace.Config{})
	exchange(p, sec, 0, pace.Answer{Throttled: true}, quota(95, 5*sec))
	require.Equal(t, 1500*ms, p.Plan(sec, one).Until, "what has something left is not what refused")
}

// A request that was sent before the Pacer was made counts like any other, and
// is no strike of its own if it was sent before the last one.
func TestAdopt(t *testing.T) {
	t.Parallel()
	p := newRules(t, pace.Config{Mode: pace.Burst, Jitter: half}).NewPacer()
	first := p.Adopt(0, one)
	second := p.Adopt(0, one)
	require.Equal(t, pace.Cost{2}, p.Snapshot(sec).InFlight)
	p.Observe(sec, &first, []pace.Quota{quota(0, 10*sec)}, pace.Answer{Throttled: true, RetryAfter: 2 * sec})
	p.Done(sec, &first, pace.Answered)
	p.Observe(2*sec, &second, nil, pace.Answer{Throttled: true, RetryAfter: 2 * sec})
	p.Done(2*sec, &second, pace.Answered)
	late := p.Adopt(sec/2, one)
	p.Observe(3*sec, &late, nil, pace.Answer{Throttled: true, RetryAfter: 2 * sec})
	p.Done(3*sec, &late, pace.Answered)
	require.Equal(t, 1, p.Snapshot(3*sec).Strikes)
	require.Equal(t, 5*sec, p.Held())
	require.Zero(t, p.Snapshot(3*sec).InFlight)
}

// Answers that take long are good news, too: the first of them does not take back
// what was allowed without any.
func TestSlowAnswersAfterAHold(t *testing.T) {
	t.Parallel()
	p := warm(t, pace.Config{})
	exchange(p, sec, ms, pace.Answer{Throttled: true, RetryAfter: sec})
	var sent []pace.Ticket
	goes := func(now time.Duration) (n int) {
		for p.Plan(now, one).Until == now {
			sent = append(sent, p.Sent(now, one))
			n++
			if n == 1000 {
				break
			}
		}
		return n
	}
	for now := 2 * sec; now < 15*sec; now += 250 * ms {
		goes(now)
	}
	require.Len(t, sent, 64, "twice as many each two seconds")
	p.Observe(15*sec, &sent[0], nil, nothing)
	p.Done(15*sec, &sent[0], pace.Answered)
	require.Equal(t, 65, goes(15*sec), "an answer allows as many again")
	require.Zero(t, goes(15*sec+ms))
}
