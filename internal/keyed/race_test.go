package keyed_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A witness knows the value of a key while somebody uses it.
type witness struct {
	mu    sync.Mutex
	users int
	value *shared
}

type shared struct {
	key  int
	keep atomic.Bool
}

// enter reports whether all who use the key at this time share the value.
func (w *witness) enter(v *shared) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users++; w.users == 1 {
		w.value = v
	}
	return w.value == v
}

func (w *witness) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users--
}

func TestOneEntryPerKeyUnderContention(t *testing.T) {
	t.Parallel()
	const goroutines, steps, keys = 1000, 100, 6
	tests := map[string]struct {
		max  int
		idle time.Duration
		keep func(*shared) bool
	}{
		"one":          {max: 1},
		"two":          {max: 2},
		"two, kept":    {max: 2, keep: func(s *shared) bool { return s.keep.Load() }},
		"always idle":  {max: keys, idle: 1},
		"idle or kept": {max: keys, idle: 1, keep: func(s *shared) bool { return s.keep.Load() }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var witnesses [keys]witness
			var wrong, clock atomic.Int64
			m := keyed.New(keyed.Config[int, shared]{
				Max: tt.max, Idle: tt.idle, Keep: tt.keep,
				Init: func(key *int, s *shared) { s.key = *key },
			})
			step := func(r *rand.Rand) {
				key := r.IntN(keys)
				now := time.Duration(clock.Add(1))
				e := m.Acquire(key, now)
				if e.Key() != key || e.Value().key != key || !witnesses[key].enter(e.Value()) {
					wrong.Add(1)
				}
				if r.IntN(4) == 0 {
					e.Value().keep.Store(r.IntN(2) == 0)
				}
				if r.IntN(4) == 0 {
					runtime.Gosched()
				}
				if again, ok := m.Peek(key, now); !ok || again != e {
					wrong.Add(1)
				} else {
					m.Release(again)
				}
				witnesses[key].leave()
				m.Release(e)
			}
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() {
					r := rand.New(rand.NewPCG(uint64(g), 0))
					for range steps {
						step(r)
					}
				})
			}
			all.Wait()
			require.Zero(t, wrong.Load())
			require.LessOrEqual(t, m.Len(), tt.max)
			require.Len(t, keysOf(m), m.Len())
		})
	}
}

// A lookup that meets the growing table, or an entry under examination, must
// not take a present key for a new one.
func TestPresentKeysAreFoundWhileTheMapChanges(t *testing.T) {
	t.Parallel()
	const keys = 20_000
	var present, made, missed atomic.Int64
	m := keyed.New(keyed.Config[int, int]{
		Max: 2 * keys, Idle: time.Hour,
		Init: func(*int, *int) { made.Add(1) },
	})
	m.Release(m.Acquire(0, 0))

	var all sync.WaitGroup
	all.Go(func() {
		for k := 1; k < keys; k++ {
			m.Release(m.Acquire(k, 0))
			present.Store(int64(k))
		}
	})
	for g := range 3 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 0))
			for last := int64(0); last < keys-1; last = present.Load() {
				key := int(r.Int64N(last + 1))
				if e, ok := m.Peek(key, 0); ok {
					m.Release(e)
				} else {
					missed.Add(1)
				}
				m.Release(m.Acquire(key, 0))
			}
		})
	}
	all.Wait()
	require.Zero(t, missed.Load())
	require.EqualValues(t, keys, made.Load())
	require.Equal(t, keys, m.Len())
}

func TestBoundUnderContention(t *testing.T) {
	t.Parallel()
	const goroutines, perGoroutine, maxEntries = 8, 5000, 100
	m := keyed.New(keyed.Config[int, int]{Max: maxEntries})
	var over atomic.Int64
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range perGoroutine {
				e := m.Acquire(g*perGoroutine+i, 0)
				if m.Len() > maxEntries {
					over.Add(1)
				}
				m.Release(e)
			}
		})
	}
	all.Wait()
	require.Zero(t, over.Load())
	require.Equal(t, maxEntries, m.Len())
}

// While the last holder of a parked entry waits for the lock to put it back,
// somebody else may acquire the entry.
func TestReleaseThatWaitsLeavesANewUseAlone(t *testing.T) {
	t.Parallel()
	var whileLocked func()
	m := keyed.New(keyed.Config[string, state]{Max: 1, Init: newState, Keep: func(*state) bool {
		if whileLocked != nil {
			whileLocked()
		}
		return false
	}})
	first, other := m.Acquire("a", 0), m.Acquire("b", 0)

	var again *keyed.Entry[string, state]
	var released sync.WaitGroup
	whileLocked = func() {
		whileLocked = nil
		begin := make(chan struct{})
		released.Go(func() {
			close(begin)
			m.Release(first)
		})
		<-begin
		for range 1000 {
			runtime.Gosched()
		}
		again, _ = m.Peek("a", 0)
	}
	m.Release(other)
	released.Wait()

	use(m, 0, "c")
	require.Equal(t, []string{"a"}, keysOf(m), "in use")
	m.Release(again)
	use(m, 0, "c")
	require.Equal(t, []string{"c"}, keysOf(m))
}
