package keyed_test

import (
	"hash/maphash"
	"maps"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

type state struct {
	key  string
	keep bool
}

func newState(key *string, s *state) { s.key = *key }

func kept(s *state) bool { return s.keep }

// use acquires the keys one after the other and releases each at once.
func use(m *keyed.Map[string, state], now time.Duration, keys ...string) {
	for _, k := range keys {
		m.Release(m.Acquire(k, now))
	}
}

func keysOf[K comparable, V any](m *keyed.Map[K, V]) []K {
	var keys []K
	for k := range m.All() {
		keys = append(keys, k)
	}
	return keys
}

func TestAcquireSharesOneEntry(t *testing.T) {
	t.Parallel()
	made := 0
	m := keyed.New(keyed.Config[string, state]{Max: 2, Init: func(key *string, s *state) {
		made++
		newState(key, s)
	}})

	first := m.Acquire("a", 0)
	second := m.Acquire("a", time.Second)
	other := m.Acquire("b", 0)

	require.Equal(t, "a", first.Key())
	require.Equal(t, &state{key: "a"}, first.Value())
	require.Same(t, first.Value(), second.Value())
	require.NotSame(t, first.Value(), other.Value())
	require.Equal(t, 2, made)
	require.Equal(t, 2, m.Len())

	value := first.Value()
	m.Release(first)
	m.Release(second)
	again := m.Acquire("a", time.Minute)
	require.Same(t, value, again.Value(), "an entry outlives its use")
	require.Equal(t, 2, made)
}

func TestPeek(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 1, Init: newState})

	_, ok := m.Peek("a", 0)
	require.False(t, ok)
	require.Zero(t, m.Len(), "Peek inserts nothing")

	use(m, 0, "a")
	e, ok := m.Peek("a", 0)
	require.True(t, ok)
	require.Equal(t, "a", e.Key())
	held := m.Acquire("b", 0)
	require.ElementsMatch(t, []string{"a", "b"}, keysOf(m), "a peeked entry is in use")
	m.Release(e)
	require.Equal(t, []string{"b"}, keysOf(m))
	m.Release(held)
}

func TestAgain(t *testing.T) {
	t.Parallel()
	var m *keyed.Map[string, state]
	var e *keyed.Entry[string, state]
	examined := false
	m = keyed.New(keyed.Config[string, state]{Max: 2, Init: newState, Keep: func(s *state) bool {
		if s == e.Value() {
			examined = true
			require.False(t, m.Again(e, 0), "it is the evictor's for the moment")
		}
		return s.keep
	}})
	e = m.Acquire("a", 0)
	e.Value().keep = true
	m.Release(e)
	require.True(t, m.Again(e, 0))
	use(m, 0, "b", "c")
	require.ElementsMatch(t, []string{"a", "c"}, keysOf(m), "in use")
	m.Release(e)
	use(m, 0, "d", "e")
	require.True(t, examined)
	require.ElementsMatch(t, []string{"a", "e"}, keysOf(m))
	require.True(t, m.Again(e, 0), "it has not left the map")
	e.Value().keep = false
	m.Release(e)
	use(m, 0, "f", "g", "h")
	require.False(t, m.Again(e, 0))
	require.NotSame(t, e, m.Acquire("a", 0))
}

func TestAll(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[string, state]{Max: 4, Init: newState})
	require.Empty(t, keysOf(m))
	use(m, 0, "a", "b", "c")

	require.Equal(t, map[string]*state{"a": {key: "a"}, "b": {key: "b"}, "c": {key: "c"}}, maps.Collect(m.All()))

	seen := 0
	for k := range m.All() {
		seen++
		use(m, 0, "a new key beside "+k)
	}
	require.Equal(t, 3, seen, "the loop sees what was there when it began")
	for range m.All() {
		break
	}
}

func TestPanicLeavesTheMapUsable(t *testing.T) {
	t.Parallel()
	t.Run("Init", func(t *testing.T) {
		t.Parallel()
		fail := true
		m := keyed.New(keyed.Config[string, state]{Max: 1, Init: func(key *string, s *state) {
			if fail {
				panic("no value")
			}
			newState(key, s)
		}})
		require.PanicsWithValue(t, "no value", func() { m.Acquire("a", 0) })
		require.Zero(t, m.Len())
		fail = false
		use(m, 0, "a", "b")
		require.Equal(t, []string{"b"}, keysOf(m))
	})
	t.Run("Keep", func(t *testing.T) {
		t.Parallel()
		fail := true
		m := keyed.New(keyed.Config[string, state]{Max: 1, Init: newState, Keep: func(*state) bool {
			if fail {
				panic("no answer")
			}
			return false
		}})
		use(m, 0, "a")
		require.PanicsWithValue(t, "no answer", func() { m.Acquire("b", 0) })
		require.Equal(t, []string{"a"}, keysOf(m))
		e := m.Acquire("a", 0)
		fail = false
		use(m, 0, "b")
		m.Release(e)
		use(m, 0, "c")
		require.Equal(t, []string{"c"}, keysOf(m))
	})
}

func TestMisusePanics(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { keyed.New(keyed.Config[string, state]{Max: 0, Init: newState}) })
	require.Panics(t, func() { keyed.New(keyed.Config[string, state]{Max: -1, Init: newState}) })

	m := keyed.New(keyed.Config[string, state]{Max: 1})
	e := m.Acquire("a", 0)
	m.Release(e)
	require.Panics(t, func() { m.Release(e) })
}

func TestKeyUnequalToItself(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[float64, int]{Max: 3})
	for range 100 {
		m.Release(m.Acquire(math.NaN(), 0))
	}
	require.Equal(t, 3, m.Len())
}

func TestHitDoesNotAllocate(t *testing.T) {
	m := keyed.New(keyed.Config[origin, int]{Max: 100, Idle: time.Minute})
	keys := origins(50)
	now := time.Duration(0)
	each := func() {
		for _, k := range keys {
			now += time.Second / 10
			m.Release(m.Acquire(k, now))
			if e, ok := m.Peek(k, now); ok {
				m.Release(e)
			}
		}
	}
	each()
	require.Zero(t, testing.AllocsPerRun(100, each))
}

func TestMemoryPerEntry(t *testing.T) {
	const n = 1 << 17
	keys := origins(n)
	inUse := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := inUse()
	type value [64]byte
	m := keyed.New(keyed.Config[origin, value]{Max: n})
	for _, k := range keys {
		m.Release(m.Acquire(k, 0))
	}
	perEntry := float64(inUse()-before)/n - float64(len(value{}))
	require.Equal(t, n, m.Len())
	require.Less(t, perEntry, 96.0, "bytes")
	runtime.KeepAlive(keys)
	t.Logf("%.0f bytes an entry", perEntry)
}

// A bad hash costs time, not correctness.
func TestHashThatCollides(t *testing.T) {
	t.Parallel()
	m := keyed.New(keyed.Config[int, int]{
		Max:  64,
		Hash: func(int, maphash.Seed) uint64 { return 7 },
		Init: func(key, value *int) { *value = *key },
	})
	for round := range 3 {
		for key := range 100 {
			e := m.Acquire(key, time.Duration(round))
			require.Equal(t, key, e.Key())
			require.Equal(t, key, *e.Value())
			m.Release(e)
		}
		require.LessOrEqual(t, m.Len(), 64)
	}
}
