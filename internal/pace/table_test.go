package pace_test

import (
	"cmp"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

const (
	simulated = 60 * sec
	worlds    = 5 // of which the tables show the mean
)

func newRules(tb testing.TB, c pace.Config) *pace.Rules {
	tb.Helper()
	rules, err := pace.NewRules(c)
	require.NoError(tb, err)
	return rules
}

// scenario is who wants what of a server.
type scenario struct {
	server   func(size) server
	size     size // zero: usual
	strategy func(w *world) strategy
	replicas int           // 0: 1; they share the workers
	others   float64       // requests per second of somebody else
	delay    int           // 0: 1; ways take that many times as long
	least    time.Duration // of a way; 0: 20 ms
	most     time.Duration // of a way; 0: 400 ms
	lasts    time.Duration // 0: simulated
	worlds   uint64        // 0: worlds
}

// result is what became of it, on average.
type result struct {
	ok, refused float64
	peak        int
	wanted, got float64 // by somebody else
	least, most float64 // of the replicas
}

func (r result) refusedShare() float64 { return r.refused / (r.ok + r.refused) }

// settled is s with what its zeros stand for.
func (s scenario) settled() scenario {
	s.size = cmp.Or(s.size, usual)
	s.replicas = max(1, s.replicas)
	s.least = cmp.Or(s.least, 20*ms) * time.Duration(max(1, s.delay))
	s.most = cmp.Or(s.most, 400*ms) * time.Duration(max(1, s.delay))
	s.lasts = cmp.Or(s.lasts, simulated)
	s.worlds = cmp.Or(s.worlds, worlds)
	return s
}

func (s scenario) run() result {
	s = s.settled()
	workers := 32
	if s.delay == 0 { // enough for what is allowed
		workers = max(32, int(3*s.size.perSecond()*s.most.Seconds()))
	}
	n := float64(s.worlds)
	var sum result
	for seed := range s.worlds {
		w := &world{end: s.lasts, random: rand.New(rand.NewPCG(seed, 0))}
		server := s.server(s.size)
		clients := make([]*client, s.replicas)
		for i := range clients {
			clients[i] = w.newClient(server, s.strategy(w), workers/len(clients))
			clients[i].least, clients[i].most = s.least, s.most
		}
		other := &foreign{}
		if s.others > 0 {
			other = w.newForeign(server, s.others)
		}
		w.run()
		least, most := clients[0].ok, 0
		for _, c := range clients {
			sum.ok += float64(c.ok) / n
			sum.refused += float64(c.refused) / n
			sum.peak = max(sum.peak, c.peak())
			least, most = min(least, c.ok), max(most, c.ok)
		}
		sum.least += float64(least) / n
		sum.most += float64(most) / n
		sum.wanted += float64(other.wanted) / n
		sum.got += float64(other.ok) / n
	}
	return sum
}

func pacer(tb testing.TB, mode pace.Mode) func(w *world) strategy {
	tb.Helper()
	return func(w *world) strategy {
		return newPaced(newRules(tb, pace.Config{Mode: mode, Jitter: w.random.Float64}))
	}
}

// TestStrategies compares the pacer with what programs often do instead, on a
// fixed window of 100 requests per 10 s: 600 in all. The clock of the program
// may be wrong by some seconds, somebody else may want about 3 per second of the
// same quota, and there may be four replicas that do not know of each other.
func TestStrategies(t *testing.T) {
	t.Parallel()
	plain := func(fresh func() strategy) func(time.Duration) func(*world) strategy {
		return func(time.Duration) func(*world) strategy {
			return func(*world) strategy { return fresh() }
		}
	}
	t.Logf("%-17s | %-22s | %-9s | %-9s | %-31s | %s", "", "alone: ok / 429 / peak", "-5 s: 429", "+5 s: 429",
		"with another: ok / 429 / it got", "4 replicas: ok / 429 / each")
	for _, row := range []struct {
		name     string
		strategy func(skew time.Duration) func(*world) strategy
		paced    bool
		spread   bool
	}{
		{name: "reactive", strategy: plain(func() strategy { return &reactive{} })},
		{name: "last answer wins", strategy: func(skew time.Duration) func(*world) strategy {
			return func(*world) strategy { return newBeliever(false, skew) }
		}},
		{name: "local decrement", strategy: func(skew time.Duration) func(*world) strategy {
			return func(*world) strategy { return newBeliever(true, skew) }
		}},
		{name: "pace, Burst", paced: true, strategy: func(time.Duration) func(*world) strategy { return pacer(t, pace.Burst) }},
		{name: "pace, Threshold", paced: true, strategy: func(time.Duration) func(*world) strategy { return pacer(t, pace.Threshold) }},
		{name: "pace, Spread", paced: true, spread: true, strategy: func(time.Duration) func(*world) strategy { return pacer(t, pace.Spread) }},
	} {
		alone := scenario{server: newFixed, strategy: row.strategy(0)}.run()
		slow := scenario{server: newFixed, strategy: row.strategy(-5 * sec)}.run()
		fast := scenario{server: newFixed, strategy: row.strategy(5 * sec)}.run()
		shared := scenario{server: newFixed, strategy: row.strategy(0), others: 3}.run()
		replicas := scenario{server: newFixed, strategy: row.strategy(0), replicas: 4}.run()
		t.Logf("%-17s | %6.1f / %5.1f / %4d  | %9.1f | %9.1f | %6.1f / %5.1f / %5.1f of %5.1f | %6.1f / %5.1f / %5.1f to %5.1f",
			row.name, alone.ok, alone.refused, alone.peak, slow.refused, fast.refused,
			shared.ok, shared.refused, shared.got, shared.wanted,
			replicas.ok, replicas.refused, replicas.least, replicas.most)

		if !row.paced {
			require.Greater(t, alone.refusedShare(), 0.1, "%s: too easy a test", row.name)
			continue
		}
		for _, r := range []result{alone, slow, fast} {
			require.LessOrEqual(t, r.refusedShare(), 0.01, row.name)
		}
		if row.spread {
			require.GreaterOrEqual(t, alone.ok, 0.95*600)
			require.LessOrEqual(t, alone.peak, 20)
			require.GreaterOrEqual(t, shared.got, 0.95*shared.wanted)
			require.LessOrEqual(t, shared.refusedShare(), 0.01)
			require.GreaterOrEqual(t, replicas.ok, 0.95*600)
			require.LessOrEqual(t, replicas.refusedShare(), 0.03)
		}
	}
}

// TestServers runs the pacer against servers of all kinds. Each gives back 600 in
// the time; buckets have some more at the start.
func TestServers(t *testing.T) {
	t.Parallel()
	servers := []struct {
		name   string
		new    func(size) server
		spread float64 // how many of the 600 at least
	}{
		{"fixed window", newFixed, 0.95 * 600},
		{"sliding, reset is the window", newSliding, 0.95 * 600},
		{"sliding, window known", newSlidingNamed, 0.95 * 600},
		{"sliding, reset of the oldest", newSlidingOldest, 0.95 * 600},
		{"sliding, IETF draft 10", newSlidingDraft, 0.95 * 600},
		{"sliding, two counters", newWeighted, 0.95 * 600},
		{"token bucket, reset when full", newBucket, 0.95 * 600},
		{"token bucket, rate known", newBucketRated, 0.95 * 600},
		{"GCRA", newGCRA, 0.95 * 600},
	}
	t.Logf("%-29s   %-9s | %-22s | %-24s | %-31s | %s", "", "", "alone: ok / 429 / peak", "slow: ok / 429 / peak",
		"with another: ok / 429 / it got", "4 replicas: ok / 429")
	for _, s := range servers {
		for mode, name := range []string{"Spread", "Burst", "Threshold"} {
			strategy := pacer(t, pace.Mode(mode))
			alone := scenario{server: s.new, strategy: strategy}.run()
			slow := scenario{server: s.new, strategy: strategy, delay: 10}.run()
			shared := scenario{server: s.new, strategy: strategy, others: 3}.run()
			replicas := scenario{server: s.new, strategy: strategy, replicas: 4}.run()
			t.Logf("%-29s   %-9s | %6.1f / %5.1f / %4d  | %6.1f / %5.1f / %4d    | %6.1f / %5.1f / %5.1f of %5.1f | %6.1f / %5.1f",
				s.name, name, alone.ok, alone.refused, alone.peak, slow.ok, slow.refused, slow.peak,
				shared.ok, shared.refused, shared.got, shared.wanted, replicas.ok, replicas.refused)

			require.LessOrEqual(t, alone.refusedShare(), 0.01, "%s, %s", s.name, name)
			require.LessOrEqual(t, slow.refusedShare(), 0.01, "%s, %s", s.name, name)
			require.LessOrEqual(t, shared.refusedShare(), 0.03, "%s, %s", s.name, name)
			if pace.Mode(mode) == pace.Spread {
				require.GreaterOrEqual(t, alone.ok, s.spread, s.name)
				require.GreaterOrEqual(t, shared.got, 0.95*shared.wanted, s.name)
				require.GreaterOrEqual(t, replicas.ok, 0.92*600, s.name)
				require.LessOrEqual(t, replicas.refusedShare(), 0.07, s.name)
			}
		}
	}
}
