package webhook

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// ErrStoreFull is the error of a [MemoryStore] in which there is no room for
// another key. What it has promised to remember it does not forget.
var ErrStoreFull = errors.New("webhook: the store is full")

// The bounds of a [MemoryStore] that are not given.
const (
	DefaultStoreKeys  = 100_000
	DefaultStoreBytes = 64 << 20
)

// MemoryStore is an [IdempotencyStore] for one process. Its memory is bounded,
// and forgotten when the process ends. It is safe for concurrent use.
type MemoryStore struct {
	maxKeys  int
	maxBytes int64

	mu      sync.Mutex
	entries map[string]*memoryEntry
	byEnd   memoryHeap
	bytes   int64
	tokens  uint64
}

type memoryEntry struct {
	key, token  string
	fingerprint [sha256.Size]byte
	answer      *StoredAnswer
	size        int64
	end         time.Time // of the lease or of the keeping
	index       int       // in the heap
}

// NewMemoryStore returns a store for at most maxKeys keys and maxBytes bytes of
// answers. 0 means [DefaultStoreKeys] and [DefaultStoreBytes].
func NewMemoryStore(maxKeys int, maxBytes int64) (*MemoryStore, error) {
	var errs []error
	if maxKeys < 0 {
		errs = append(errs, fmt.Errorf("webhook: maxKeys is %d: must not be negative", maxKeys))
	}
	if maxBytes < 0 {
		errs = append(errs, fmt.Errorf("webhook: maxBytes is %d: must not be negative", maxBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &MemoryStore{
		maxKeys:  orDefault(maxKeys, DefaultStoreKeys),
		maxBytes: orDefault(maxBytes, DefaultStoreBytes),
		entries:  make(map[string]*memoryEntry),
	}, nil
}

// Begin claims a key. Its error is [ErrStoreFull].
func (s *MemoryStore) Begin(_ context.Context, key string, fingerprint [sha256.Size]byte, lease time.Duration) (Claim, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	if e := s.entries[key]; e != nil {
		return Claim{Fingerprint: e.fingerprint, Answer: e.answer}, nil
	}
	if len(s.entries) >= s.maxKeys || s.bytes >= s.maxBytes {
		return Claim{}, ErrStoreFull
	}
	s.tokens++
	e := &memoryEntry{key: key, token: strconv.FormatUint(s.tokens, 10), fingerprint: fingerprint, end: now.Add(lease)}
	s.entries[key] = e
	heap.Push(&s.byEnd, e)
	return Claim{Token: e.token, Fingerprint: fingerprint}, nil
}

// Finish remembers an answer. If there is no room for its body, it remembers
// that there was one.
func (s *MemoryStore) Finish(_ context.Context, key, token string, answer StoredAnswer, keep time.Duration) error {
	size := int64(len(answer.Body))
	for name, values := range answer.Header {
		size += int64(len(name))
		for _, v := range values {
			size += int64(len(v))
		}
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil || e.token != token || e.answer != nil {
		return errors.New("webhook: the claim is over")
	}
	if s.bytes+size > s.maxBytes {
		answer, size = StoredAnswer{Status: answer.Status, Lost: true}, 0
	}
	e.answer, e.size, e.end = &answer, size, now.Add(keep)
	s.bytes += size
	heap.Fix(&s.byEnd, e.index)
	return nil
}

// Abandon frees a key.
func (s *MemoryStore) Abandon(_ context.Context, key, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.token == token && e.answer == nil {
		heap.Remove(&s.byEnd, e.index)
		delete(s.entries, key)
	}
	return nil
}

// forget removes what is over.
func (s *MemoryStore) forget(now time.Time) {
	for len(s.byEnd) > 0 && !now.Before(s.byEnd[0].end) {
		e, _ := heap.Pop(&s.byEnd).(*memoryEntry)
		delete(s.entries, e.key)
		s.bytes -= e.size
	}
}

// A memoryHeap has the entry that ends first at its top.
type memoryHeap []*memoryEntry

func (h memoryHeap) Len() int           { return len(h) }
func (h memoryHeap) Less(i, j int) bool { return h[i].end.Before(h[j].end) }

func (h memoryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *memoryHeap) Push(x any) {
	e, _ := x.(*memoryEntry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for package heap.
func (h *memoryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
