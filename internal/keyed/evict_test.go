package keyed_test

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before []string
		insert []string
		want   []string
	}{
		"order of insertion":           {[]string{"a", "b", "c"}, []string{"d"}, []string{"b", "c", "d"}},
		"a use saves":                  {[]string{"a", "b", "c", "a"}, []string{"d"}, []string{"a", "c", "d"}},
		"uses save":                    {[]string{"a", "b", "c", "a", "b", "b"}, []string{"d"}, []string{"a", "b", "d"}},
		"all used: order of insertion": {[]string{"a", "b", "c", "c", "b", "a"}, []string{"d"}, []string{"b", "c", "d"}},
		"a use saves once":             {[]string{"a", "b", "c", "a"}, []string{"d", "e", "f"}, []string{"d", "e", "f"}},
		"newcomers push each other":    {[]string{"a", "b", "c"}, []string{"d", "e", "f", "g"}, []string{"e", "f", "g"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := keyed.New(keyed.Config[string, state]{Max: 3, Init: newState})
			use(m, 0, tt.before...)
			use(m, 0, tt.insert...)
			require.ElementsMatch(t, tt.want, keysOf(m))
		})
	}
}

func TestFrequentlyUsedSurviveAFlood(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 100, Init: newState})
	var busy []string
	for i := range 50 {
		busy = append(busy, "busy"+strconv.Itoa(i))
	}
	use(m, 0, busy...)
	for i := range 10_000 {
		use(m, 0, busy...)
		use(m, 0, "flood"+strconv.Itoa(i))
	}
	require.Subset(t, keysOf(m), busy)
}

func TestOneInsertionPassesOverAFewUsed(t *testing.T) {
	t.Parallel()
	const entries = 1000
	m := keyed.New(keyed.Config[int, int]{Max: entries})
	for range 2 {
		for k := range entries {
			m.Release(m.Acquire(k, 0))
		}
	}
	m.Release(m.Acquire(entries, 0))
	all := maps.Collect(m.All())
	require.Len(t, all, entries)
	require.Contains(t, all, 0)
	require.NotContains(t, all, 64, "the first beyond the bound goes although it was used")
}

func TestInUseIsNeverDropped(t *testing.T) {
	t.Parallel()
	for _, maxEntries := range []int{1, 3, 10} {
		t.Run(strconv.Itoa(maxEntries), func(t *testing.T) {
			t.Parallel()
			m := keyed.New(keyed.Config[string, state]{Max: maxEntries, Idle: time.Second, Init: newState})
			var held []*keyed.Entry[string, state]
			for i := range 4 * maxEntries {
				held = append(held, m.Acquire("held"+strconv.Itoa(i), 0))
			}
			require.Equal(t, len(held), m.Len())
			for i := range 100 {
				use(m, time.Duration(i)*time.Minute, "other"+strconv.Itoa(i))
				require.Equal(t, len(held), m.Len(), "what is released while there is no room goes at once")
			}
			for i, e := range held {
				again, ok := m.Peek(e.Key(), time.Hour)
				require.True(t, ok)
				require.Same(t, e.Value(), again.Value())
				m.Release(again)
				require.Equal(t, max(maxEntries, len(held)-i), m.Len(), "a second use is still a use")
				m.Release(e)
				require.Equal(t, max(maxEntries, len(held)-i-1), m.Len(), "the surplus goes when it is released")
			}
		})
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	tests := []struct{ max, keys int }{
		{1, 100_000},
		{3, 100_000},
		{10, 100_000},
		{1000, 1_000_000},
	}
	for _, tt := range tests {
		t.Run(strconv.Itoa(tt.max), func(t *testing.T) {
			t.Parallel()
			m := keyed.New(keyed.Config[int, int]{
				Max:  tt.max,
				Idle: time.Hour,
				Init: func(key, value *int) { *value = *key },
			})
			for k := range tt.keys {
				m.Release(m.Acquire(k, time.Duration(k)))
			}
			require.Equal(t, tt.max, m.Len())
			all := maps.Collect(m.All())
			require.Len(t, all, tt.max)
			for k, v := range all {
				require.Equal(t, k, *v)
				require.GreaterOrEqual(t, k, tt.keys-tt.max, "the last ones are left")
			}
		})
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	const idle = 16 * time.Minute
	tests := map[string]struct {
		uses map[time.Duration][]string
		at   time.Duration // when "new" is inserted
		want []string
	}{
		"not yet":                 {map[time.Duration][]string{0: {"a", "b"}}, idle - 1, []string{"a", "b", "new"}},
		"all at once":             {map[time.Duration][]string{0: {"a", "b"}}, idle + idle/16, []string{"new"}},
		"a use saves":             {map[time.Duration][]string{0: {"a", "b"}, idle / 2: {"b"}}, idle + idle/16, []string{"b", "new"}},
		"used late, idle since":   {map[time.Duration][]string{0: {"a", "b"}, idle / 2: {"b"}}, 2 * idle, []string{"new"}},
		"behind one used later":   {map[time.Duration][]string{0: {"a", "b"}, idle / 2: {"a"}}, idle + idle/16, []string{"a", "new"}},
		"inserted at later times": {map[time.Duration][]string{0: {"a"}, idle: {"b"}}, idle + idle/16, []string{"b", "new"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := keyed.New(keyed.Config[string, state]{Max: 100, Idle: idle, Init: newState})
			for _, now := range slices.Sorted(maps.Keys(tt.uses)) {
				use(m, now, tt.uses[now]...)
			}
			use(m, tt.at, "new")
			require.ElementsMatch(t, tt.want, keysOf(m))
		})
	}
}

func TestIdleOffKeepsEverythingWithinBound(t *testing.T) {
	t.Parallel()
	for _, idle := range []time.Duration{0, -1} {
		m := keyed.New(keyed.Config[string, state]{Max: 3, Idle: idle, Init: newState})
		use(m, 0, "a", "b")
		use(m, math.MaxInt64, "c")
		require.ElementsMatch(t, []string{"a", "b", "c"}, keysOf(m))
	}
}

func TestIdleIsDroppedAFewAtATime(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 10_000, Idle: time.Minute, Init: newState})
	for i := range 1000 {
		use(m, 0, strconv.Itoa(i))
	}
	use(m, time.Hour, "first")
	require.Greater(t, m.Len(), 900, "no insertion sweeps everything")
	for i := range 20 {
		use(m, time.Hour, "new"+strconv.Itoa(i))
	}
	require.Equal(t, 21, m.Len())
}

func TestTimesOutOfOrder(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 10, Idle: time.Minute, Init: newState})
	use(m, time.Hour, "a")
	use(m, 0, "a")
	use(m, time.Hour+time.Second, "b")
	require.ElementsMatch(t, []string{"a", "b"}, keysOf(m), "an older time does not take a use back")
	use(m, 0, "c")
	require.ElementsMatch(t, []string{"a", "b", "c"}, keysOf(m))
	use(m, time.Hour+2*time.Minute, "d")
	require.Equal(t, []string{"d"}, keysOf(m))
}

func TestLongUseIsNotIdle(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 10, Idle: time.Minute, Init: newState})
	e := m.Acquire("a", 0)
	use(m, time.Hour, "b")
	m.Release(e)
	use(m, time.Hour+time.Second, "c")
	require.ElementsMatch(t, []string{"a", "b", "c"}, keysOf(m))
}

func TestKeep(t *testing.T) {
	t.Parallel()
	keep := func(m *keyed.Map[string, state], keys ...string) {
		use(m, 0, keys...)
		for k, s := range m.All() {
			s.keep = s.keep || slices.Contains(keys, k)
		}
	}
	unkeep := func(m *keyed.Map[string, state], key string) {
		maps.Collect(m.All())[key].keep = false
	}
	tests := map[string]struct {
		do   func(m *keyed.Map[string, state])
		want []string
	}{
		"others go first": {func(m *keyed.Map[string, state]) {
			keep(m, "a", "b")
			use(m, 0, "c", "d", "e", "f")
		}, []string{"a", "b", "f"}},
		"all kept: the bound wins": {func(m *keyed.Map[string, state]) {
			keep(m, "a", "b", "c", "d", "e")
			use(m, 0, "f")
		}, []string{"d", "e", "f"}},
		"not idle": {func(m *keyed.Map[string, state]) {
			keep(m, "a")
			use(m, 0, "b")
			use(m, time.Hour, "c")
		}, []string{"a", "c"}},
		"no longer kept: idle": {func(m *keyed.Map[string, state]) {
			keep(m, "a")
			use(m, time.Hour, "b")
			unkeep(m, "a")
			use(m, 2*time.Hour, "c")
		}, []string{"c"}},
		"no longer kept: first to go": {func(m *keyed.Map[string, state]) {
			keep(m, "a", "b")
			use(m, 0, "c", "d")
			unkeep(m, "a")
			use(m, 0, "e")
		}, []string{"b", "d", "e"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := keyed.New(keyed.Config[string, state]{Max: 3, Idle: time.Minute, Init: newState, Keep: kept})
			tt.do(m)
			require.ElementsMatch(t, tt.want, keysOf(m))
		})
	}
}

func TestKeepIsAskedAFewTimesPerInsertion(t *testing.T) {
	t.Parallel()
	const entries, inserts = 1000, 10_000
	asked := 0
	m := keyed.New(keyed.Config[int, int]{
		Max:  entries,
		Keep: func(*int) bool { asked++; return true },
	})
	for k := range entries + inserts {
		m.Release(m.Acquire(k, 0))
	}
	require.Equal(t, entries, m.Len())
	require.LessOrEqual(t, asked, entries+10*inserts)
}
