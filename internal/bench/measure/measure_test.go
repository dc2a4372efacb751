package measure_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
)

// sink keeps what a test allocates on the heap.
var sink *[64]byte

// Not parallel: allocations of other tests would count.
func TestTake(t *testing.T) {
	const n = 1000
	// What the runtime allocates for itself meanwhile counts too, now and then.
	least := measure.Sample{Allocs: math.MaxUint64, Bytes: math.MaxUint64}
	for range 10 {
		s, err := measure.Take(func(n int) error {
			for range 3 * n {
				sink = new([64]byte)
			}
			return nil
		}, n)
		require.NoError(t, err)
		require.Positive(t, s.Nanos)
		least.Allocs, least.Bytes = min(least.Allocs, s.Allocs), min(least.Bytes, s.Bytes)
	}
	require.EqualValues(t, 3, least.Allocs)
	require.EqualValues(t, 3*64, least.Bytes)
}

func TestTakeError(t *testing.T) {
	failed := errors.New("failed")
	_, err := measure.Take(func(int) error { return failed }, 1)
	require.ErrorIs(t, err, failed)
}

func TestInterleave(t *testing.T) {
	t.Parallel()
	const rounds = 20
	var order []string
	var contestants []measure.Contestant
	names := []string{"a", "b", "c"}
	for _, name := range names {
		contestants = append(contestants, measure.Contestant{Name: name, Work: func(int) error {
			order = append(order, name)
			return nil
		}})
	}
	all, err := measure.Interleave(contestants, rounds, 1)
	require.NoError(t, err)
	require.Len(t, all, len(names))
	for i, s := range all {
		require.Equal(t, names[i], s.Name)
		require.Len(t, s.Samples, rounds)
	}

	// All of them run once in each round, and rounds differ in their order:
	// that all 20 are alike has a chance of 6^-19.
	order = order[len(order)-rounds*len(names):]
	orders := map[string]bool{}
	for round := range slices.Chunk(order, len(names)) {
		orders[round[0]+round[1]+round[2]] = true
		require.ElementsMatch(t, names, round)
	}
	require.Greater(t, len(orders), 1)
}

func TestInterleaveError(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for name, good := range map[string]int{"at once": 0, "later": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			_, err := measure.Interleave([]measure.Contestant{{Name: "x", Work: func(int) error {
				if runs++; runs > good {
					return failed
				}
				return nil
			}}}, 100, 1)
			require.ErrorIs(t, err, failed)
			require.ErrorContains(t, err, "measure: x: ")
			require.Equal(t, good+1, runs)
		})
	}
}

func TestSeries(t *testing.T) {
	t.Parallel()
	series := func(nanos ...float64) measure.Series {
		var s measure.Series
		for _, n := range nanos {
			s.Samples = append(s.Samples, measure.Sample{Nanos: n, Allocs: uint64(n), Bytes: uint64(10 * n)})
		}
		return s
	}
	for name, test := range map[string]struct {
		s, base               measure.Series
		median, spread, ratio float64
	}{
		"one":       {series(8), series(2), 8, 0, 4},
		"two":       {series(9, 7), series(2, 2), 8, 1. / 16, 4},
		"odd":       {series(9, 1, 2, 4, 3), series(1, 1, 1, 1, 1), 3, 1. / 3, 3},
		"unordered": {series(30, 10, 20, 40, 1000), series(10, 10, 10, 20, 10), 30, 1. / 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, measure.Sample{
				Nanos: test.median, Allocs: uint64(test.median), Bytes: uint64(10 * test.median),
			}, test.s.Median())
			require.InDelta(t, test.spread, test.s.Spread(), 1e-9)
			require.InDelta(t, test.ratio, test.s.Ratio(test.base), 1e-9)
			require.InDelta(t, 1, test.s.Ratio(test.s), 1e-9)
		})
	}
}

// A first time that is slow does not make all rounds short.
func TestInterleaveAfterASlowStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, last := 0, 0
		work := func(n int) error {
			calls++
			last = n
			if calls == 1 {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Duration(n) * time.Microsecond)
			return nil
		}
		_, err := measure.Interleave([]measure.Contestant{{Name: "a", Work: work}}, 1, time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, 1000, last)
	})
}
