package scenario_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
	"github.com/holdfast-go/holdfast/internal/bench/scenario"
)

// cost returns what one call of a scenario allocates with each of the subjects.
func cost(t *testing.T, name string, subjects ...string) map[string]measure.Sample {
	t.Helper()
	const warm, calls = 1000, 500 // every host once
	costs := map[string]measure.Sample{}
	for _, s := range scenario.All() {
		if s.Name != name {
			continue
		}
		for _, sub := range s.Subjects {
			if !slices.Contains(subjects, sub.Name) {
				continue
			}
			load, err := s.Start(t.Context(), s.Work(sub))
			require.NoError(t, err)
			require.NoError(t, load.Run(warm))
			costs[sub.Name], err = measure.Take(load.Run, calls)
			require.NoError(t, err)
		}
	}
	require.Len(t, costs, len(subjects))
	return costs
}

// These tests are not parallel: allocations of other tests would count.

func TestHappyPathAllocs(t *testing.T) {
	for _, name := range []string{"happy", "happy-body", "parallel", "parallel-hosts"} {
		costs := cost(t, name, "bare", "holdfast")
		require.LessOrEqual(t, costs["holdfast"].Allocs, costs["bare"].Allocs+2, name)
	}
	require.EqualValues(t, 1, cost(t, "happy", "bare")["bare"].Allocs)
}

func TestFailurePathAllocs(t *testing.T) {
	for _, name := range []string{"failure", "failure-body"} {
		require.LessOrEqual(t, cost(t, name, "holdfast")["holdfast"].Allocs, uint64(16), name)
	}
}

func TestCircuitAllocs(t *testing.T) {
	for _, name := range []string{"circuit", "circuit-parallel"} {
		costs := cost(t, name, "bare", "holdfast-breaker")
		require.LessOrEqual(t, costs["holdfast-breaker"].Allocs, costs["bare"].Allocs+2, name)
	}
}

// Neither a call that need not wait nor what an answer tells needs memory.
func TestLimitAllocs(t *testing.T) {
	names := []string{"limit", "limit-parallel"}
	if !raceDetector { // it makes sync.Pool forget, which learning needs
		names = append(names, "quota", "quota-parallel")
	}
	for _, name := range names {
		costs := cost(t, name, "bare", "holdfast-ratelimit")
		require.LessOrEqual(t, costs["holdfast-ratelimit"].Allocs, costs["bare"].Allocs, name)
	}
}

// The answer of the transport is one of them.
func TestTokenAllocs(t *testing.T) {
	for _, name := range []string{"token", "token-parallel"} {
		require.LessOrEqual(t, cost(t, name, "holdfast-auth")["holdfast-auth"].Allocs, uint64(4), name)
	}
}

func TestVerifyAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("it makes sync.Pool forget")
	}
	for name, cost := range cost(t, "verify", "holdfast-github", "holdfast-stripe", "holdfast-standard") {
		require.LessOrEqual(t, cost.Allocs, uint64(1), name)
	}
}

// A body that can be had again from GetBody is not copied.
func TestReplayableBodyIsNotCopied(t *testing.T) {
	costs := cost(t, "post", "bare", "holdfast")
	require.Less(t, costs["holdfast"].Bytes, costs["bare"].Bytes+4<<10)
}
