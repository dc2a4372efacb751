package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
	"github.com/holdfast-go/holdfast/internal/bench/scenario"
)

// cost returns what one call of a scenario allocates with each subject.
func cost(t *testing.T, name string) map[string]measure.Sample {
	t.Helper()
	const warm, calls = 1000, 500 // every host once
	costs := map[string]measure.Sample{}
	for _, s := range scenario.All() {
		if s.Name != name {
			continue
		}
		for _, sub := range s.Subjects {
			if sub.Name != "bare" && sub.Name != "holdfast" {
				continue
			}
			load, err := s.Start(t.Context(), sub.Wrap(s.Upstream()))
			require.NoError(t, err)
			require.NoError(t, load.Run(warm))
			costs[sub.Name], err = measure.Take(load.Run, calls)
			require.NoError(t, err)
		}
	}
	require.Len(t, costs, 2)
	return costs
}

// These tests are not parallel: allocations of other tests would count.

func TestHappyPathAllocs(t *testing.T) {
	for _, name := range []string{"happy", "happy-body", "parallel", "parallel-hosts"} {
		costs := cost(t, name)
		require.LessOrEqual(t, costs["holdfast"].Allocs, costs["bare"].Allocs+2, name)
	}
	require.EqualValues(t, 1, cost(t, "happy")["bare"].Allocs)
}

func TestFailurePathAllocs(t *testing.T) {
	require.LessOrEqual(t, cost(t, "failure")["holdfast"].Allocs, uint64(16))
}

// A body that can be had again from GetBody is not copied.
func TestReplayableBodyIsNotCopied(t *testing.T) {
	costs := cost(t, "post")
	require.Less(t, costs["holdfast"].Bytes, costs["bare"].Bytes+4<<10)
}
