package providers_test

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
)

// orderID is the form of ids that the shop uses.
func orderID(n int) string { return fmt.Sprintf("order-%06d", n) }

func TestPlanDependsOnItsSeedAndTheQuestionOnly(t *testing.T) {
	t.Parallel()
	type question struct {
		provider, operation, id string
		attempt                 int
	}
	var questions []question
	for n := range 200 {
		for attempt := range providers.MaxFaults {
			questions = append(questions,
				question{"payments", "charge", orderID(n), attempt + 1},
				question{"payments", "refund", orderID(n), attempt + 1},
				question{"shipping", "create", orderID(n), attempt + 1})
		}
	}
	ask := func(p providers.Plan, q question) providers.Fault {
		return p.Fault(q.provider, q.operation, q.id, q.attempt)
	}

	first, again, other := providers.NewPlan(providers.Harsh, 1), providers.NewPlan(providers.Harsh, 1), providers.NewPlan(providers.Harsh, 2)
	forwards := make([]providers.Fault, len(questions))
	for i, q := range questions {
		forwards[i] = ask(first, q)
	}
	differ := 0
	for i, q := range slices.Backward(questions) {
		require.Equal(t, forwards[i], ask(again, q), "%+v", q)
		if forwards[i] != ask(other, q) {
			differ++
		}
	}
	require.Positive(t, differ, "another seed is another plan")
}

func TestPlanFailsAsOftenAsItsLevelSays(t *testing.T) {
	t.Parallel()
	const orders = 5000
	tests := []struct {
		level            providers.Level
		fewest, mostFail int
	}{
		{providers.None, 0, 0},
		{providers.Mild, orders * 3 / 100, orders * 5 / 100},
		{providers.Harsh, orders * 20 / 100, orders * 24 / 100},
	}
	for _, tt := range tests {
		t.Run(tt.level.String(), func(t *testing.T) {
			t.Parallel()
			plan := providers.NewPlan(tt.level, 7)
			kinds := map[providers.Kind]int{}
			for n := range orders {
				kinds[plan.Fault("payments", "charge", orderID(n), 1).Kind]++
			}
			failed := orders - kinds[providers.Healthy]
			require.GreaterOrEqual(t, failed, tt.fewest)
			require.LessOrEqual(t, failed, tt.mostFail)
			if tt.level == providers.None {
				return
			}
			for _, k := range []providers.Kind{providers.Unavailable, providers.Cut, providers.Dropped, providers.Slow} {
				require.Positive(t, kinds[k], "kind %d", k)
			}
		})
	}
}

func TestPlanEnds(t *testing.T) {
	t.Parallel()
	plan := providers.NewPlan(providers.Harsh, 3)
	for n := range 2000 {
		f := plan.Fault("shipping", "create", orderID(n), providers.MaxFaults+1)
		require.Equal(t, providers.Fault{}, f)
	}
}

func TestOutagesHitNeighboursTogether(t *testing.T) {
	t.Parallel()
	require.Equal(t, providers.Shard(orderID(120)), providers.Shard(orderID(129)))
	require.NotEqual(t, providers.Shard(orderID(129)), providers.Shard(orderID(130)))
	require.Empty(t, providers.Shard(""))

	const shards = 1000
	tests := []struct {
		level             providers.Level
		fewest, most      int
		shortest, longest time.Duration
	}{
		{providers.None, 0, 0, 0, 0},
		{providers.Mild, 15, 50, 50 * time.Millisecond, 200 * time.Millisecond},
		{providers.Harsh, 80, 160, 100 * time.Millisecond, 400 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.level.String(), func(t *testing.T) {
			t.Parallel()
			plan := providers.NewPlan(tt.level, 1)
			outages, elsewhere := 0, 0
			for n := range shards {
				shard := providers.Shard(orderID(10 * n))
				d := plan.Outage("payments", shard)
				require.Equal(t, d, plan.Outage("payments", shard))
				if d == 0 {
					continue
				}
				outages++
				require.GreaterOrEqual(t, d, tt.shortest)
				require.Less(t, d, tt.longest)
				if plan.Outage("shipping", shard) > 0 {
					elsewhere++
				}
			}
			require.GreaterOrEqual(t, outages, tt.fewest)
			require.LessOrEqual(t, outages, tt.most)
			require.LessOrEqual(t, elsewhere, outages/2, "each provider has outages of its own")
		})
	}
}

func TestPlanDetails(t *testing.T) {
	t.Parallel()
	plan := providers.NewPlan(providers.Harsh, 1)
	after := map[string]int{}
	for n := range 5000 {
		refusal := plan.Refusal("inventory", orderID(n))
		require.Equal(t, providers.Unavailable, refusal.Kind)
		after[refusal.RetryAfter]++
		switch f := plan.Fault("inventory", "reserve", orderID(n), 1); f.Kind {
		case providers.Unavailable:
			after[f.RetryAfter]++
		case providers.Slow:
			require.GreaterOrEqual(t, f.Delay, 250*time.Millisecond)
			require.Less(t, f.Delay, 400*time.Millisecond)
		default:
			require.Zero(t, f.RetryAfter)
			require.Zero(t, f.Delay)
		}
	}
	require.Len(t, after, 3)
	require.Greater(t, after[""], after["1"])
	require.Greater(t, after["0"], after["1"])
}

func TestLevelAsFlag(t *testing.T) {
	t.Parallel()
	tests := []struct {
		arg  string
		want providers.Level
		err  string
	}{
		{"none", providers.None, ""},
		{"mild", providers.Mild, ""},
		{"harsh", providers.Harsh, ""},
		{"Harsh", 0, "want none, mild or harsh"},
		{"", 0, "want none, mild or harsh"},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			t.Parallel()
			var level providers.Level
			fs := flag.NewFlagSet("test", flag.ContinueOnError)
			fs.SetOutput(io.Discard)
			fs.TextVar(&level, "faults", providers.Mild, "level")
			err := fs.Parse([]string{"-faults", tt.arg})
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, level)
		})
	}
}
