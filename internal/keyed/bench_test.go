package keyed_test

import (
	"container/list"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

type origin struct{ scheme, host string }

func origins(n int) []origin {
	keys := make([]origin, n)
	for i := range keys {
		keys[i] = origin{"https", "api" + strconv.Itoa(i) + ".example.com:443"}
	}
	return keys
}

// A user acquires a key and releases it.
type user interface {
	use(key origin, now time.Duration)
}

type ours struct{ m *keyed.Map[origin, int] }

func (o ours) use(key origin, now time.Duration) { o.m.Release(o.m.Acquire(key, now)) }

// nobody shows what of a result is the benchmark itself.
type nobody struct{}

func (nobody) use(origin, time.Duration) {}

// locked is the peer: the same behind one mutex, with a list in the exact order
// of use. It neither drops what is idle nor bounds its search past entries in
// use.
type locked struct {
	mu    sync.Mutex
	max   int
	byKey map[origin]*list.Element
	order *list.List
}

type lockedEntry struct {
	key   origin
	value *int
	refs  int
	used  time.Duration
}

func newLocked(maxEntries int) *locked {
	return &locked{max: maxEntries, byKey: make(map[origin]*list.Element), order: list.New()}
}

func (l *locked) use(key origin, now time.Duration) { l.release(l.acquire(key, now)) }

func (l *locked) acquire(key origin, now time.Duration) *lockedEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if el, ok := l.byKey[key]; ok {
		l.order.MoveToFront(el)
		e := el.Value.(*lockedEntry)
		e.refs++
		e.used = now
		return e
	}
	e := &lockedEntry{key: key, value: new(int), refs: 1, used: now}
	l.byKey[key] = l.order.PushFront(e)
	for el := l.order.Back(); el != nil && len(l.byKey) > l.max; {
		older := el
		el = el.Prev()
		if old := older.Value.(*lockedEntry); old.refs == 0 {
			l.order.Remove(older)
			delete(l.byKey, old.key)
		}
	}
	return e
}

func (l *locked) release(e *lockedEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.refs--
}

func besidePeers(b *testing.B, run func(b *testing.B, u user)) {
	b.Helper()
	b.Run("keyed", func(b *testing.B) {
		run(b, ours{keyed.New(keyed.Config[origin, int]{Max: benchMax, Idle: 10 * time.Minute})})
	})
	b.Run("locked", func(b *testing.B) { run(b, newLocked(benchMax)) })
	b.Run("none", func(b *testing.B) { run(b, nobody{}) })
}

const benchMax = 10_000

func BenchmarkHit(b *testing.B) {
	for _, n := range []int{1, 1024} {
		keys := origins(n)
		b.Run("keys="+strconv.Itoa(n), func(b *testing.B) {
			besidePeers(b, func(b *testing.B, u user) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					u.use(keys[i&(n-1)], time.Duration(i)*time.Microsecond)
				}
			})
		})
	}
}

// BenchmarkHitParallel is the worst case for one key: the cores do nothing but
// take its counter from each other.
func BenchmarkHitParallel(b *testing.B) {
	for _, n := range []int{1, 1024} {
		b.Run("keys="+strconv.Itoa(n), func(b *testing.B) { hitParallel(b, n, 0) })
	}
}

// BenchmarkHitParallelAmongWork leaves about a quarter of a microsecond between
// two uses. That is still much less than a call takes that needs the key.
func BenchmarkHitParallelAmongWork(b *testing.B) {
	for _, n := range []int{1, 1024} {
		b.Run("keys="+strconv.Itoa(n), func(b *testing.B) { hitParallel(b, n, 300) })
	}
}

func hitParallel(b *testing.B, n, effort int) {
	b.Helper()
	keys := origins(n)
	besidePeers(b, func(b *testing.B, u user) {
		var workers atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			i, x := int(workers.Add(1))*7919, 0
			for ; pb.Next(); i++ {
				x = work(x, effort)
				u.use(keys[(i^x&1)&(n-1)], time.Duration(i)*time.Microsecond)
			}
		})
	})
}

func work(x, effort int) int {
	for i := range effort {
		x = x*31 + i
	}
	return x
}

// BenchmarkChurn uses a new key every time, in a full map.
func BenchmarkChurn(b *testing.B) {
	keys := origins(1 << 17)
	b.Run("serial", func(b *testing.B) {
		besidePeers(b, func(b *testing.B, u user) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				u.use(keys[i&(len(keys)-1)], 0)
			}
		})
	})
	b.Run("parallel", func(b *testing.B) {
		besidePeers(b, func(b *testing.B, u user) {
			var next atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					u.use(keys[int(next.Add(1))&(len(keys)-1)], 0)
				}
			})
		})
	})
}

// BenchmarkChurnPast inserts into a map full of entries that must not go, or
// should not. The price must not grow with their number.
func BenchmarkChurnPast(b *testing.B) {
	keep := func(v *int) bool { return *v == 1 }
	for _, n := range []int{100, 100_000} {
		c := keyed.Config[int, int]{Max: n + 100, Keep: keep}
		b.Run("in use="+strconv.Itoa(n), func(b *testing.B) {
			churnPast(b, keyed.New(c), n, func(*keyed.Map[int, int], *keyed.Entry[int, int]) {})
		})
		b.Run("kept="+strconv.Itoa(n), func(b *testing.B) {
			churnPast(b, keyed.New(c), n, func(m *keyed.Map[int, int], e *keyed.Entry[int, int]) {
				*e.Value() = 1
				m.Release(e)
			})
		})
	}
}

func churnPast(b *testing.B, m *keyed.Map[int, int], n int, prepare func(*keyed.Map[int, int], *keyed.Entry[int, int])) {
	b.Helper()
	for i := range n {
		prepare(m, m.Acquire(i, 0))
	}
	b.ReportAllocs()
	for i := n; b.Loop(); i++ {
		m.Release(m.Acquire(i, 0))
	}
}
