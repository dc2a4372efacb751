package sender

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] in memory, for tests and small tools. It forgets all when
// the program ends. It is safe for concurrent use.
type Memory struct {
	limit int

	mu        sync.Mutex
	last      int64
	all       []*row // by seq
	byID      map[rowID]*row
	endpoints map[string]*memoryEndpoint
	ended     int // how many of all are Done or Dead
}

// NewMemory returns a Memory for limit messages; less than 1 means
// [DefaultLimit]. When it is full it forgets those first that are Done or Dead,
// the oldest of them first. More than limit at a time it never has room for.
func NewMemory(limit int) *Memory {
	if limit < 1 {
		limit = DefaultLimit
	}
	return &Memory{limit: limit, byID: make(map[rowID]*row), endpoints: make(map[string]*memoryEndpoint)}
}

type rowID struct{ endpoint, id string }

type row struct {
	Record
	fence int64
	until time.Time // of the lease
}

func (r *row) over() bool { return r.State == Done || r.State == Dead }

// memoryEndpoint is an endpoint that is not forgotten.
type memoryEndpoint struct {
	Health
	rows    int // of all states
	pending dueRows
	leased  []*row
}

func (m *Memory) endpoint(name string) *memoryEndpoint {
	e := m.endpoints[name]
	if e == nil {
		e = &memoryEndpoint{Health: Health{Endpoint: name}}
		m.endpoints[name] = e
	}
	return e
}

// Put stores messages, see [Store].
func (m *Memory) Put(ctx context.Context, now time.Time, messages []Message) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := make(map[rowID]bool, len(messages))
	for i := range messages {
		id := rowID{messages[i].Endpoint, messages[i].ID}
		fresh[id] = m.byID[id] == nil
	}
	n := 0
	for _, isFresh := range fresh {
		if isFresh {
			n++
		}
	}
	if excess := len(m.all) + n - m.limit; excess > 0 {
		if excess > m.ended {
			return 0, &FullError{Messages: len(m.all) - m.ended}
		}
		// More than needed, or each Put would have to look through all of them.
		m.forget(max(excess, m.limit/16), (*row).over)
	}
	for i := range messages {
		if id := (rowID{messages[i].Endpoint, messages[i].ID}); m.byID[id] == nil && fresh[id] {
			m.add(now, messages[i])
		}
	}
	return n, nil
}

func (m *Memory) add(now time.Time, message Message) {
	m.last++
	r := &row{Record: Record{Message: message, Seq: m.last, State: Pending, Created: now, Due: now}}
	r.Body = slices.Clone(message.Body)
	m.all = append(m.all, r)
	m.byID[rowID{r.Endpoint, r.ID}] = r
	e := m.endpoint(r.Endpoint)
	e.rows++
	heap.Push(&e.pending, r)
}

// forget drops at most limit rows that fit, and endpoints that nothing is left
// of. It returns how many rows.
func (m *Memory) forget(limit int, fits func(*row) bool) int {
	n := 0
	m.all = slices.DeleteFunc(m.all, func(r *row) bool {
		if n >= limit || !fits(r) {
			return false
		}
		n++
		delete(m.byID, rowID{r.Endpoint, r.ID})
		e := m.endpoints[r.Endpoint]
		e.rows--
		if r.over() {
			m.ended--
		} else {
			e.pending = slices.DeleteFunc(e.pending, func(p *row) bool { return p == r })
			heap.Init(&e.pending)
		}
		return true
	})
	for name, e := range m.endpoints {
		if e.rows == 0 && e.DisabledAt.IsZero() {
			delete(m.endpoints, name)
		}
	}
	return n
}

// Claim leases messages, see [Store].
func (m *Memory) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]Claim, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var ready []*memoryEndpoint
	for _, e := range m.endpoints {
		e.takeBack(now)
		if e.State(now) < Paused && e.claimable(now, perEndpoint) {
			ready = append(ready, e)
		}
	}
	slices.SortFunc(ready, func(a, b *memoryEndpoint) int { return byDue(a.pending[0], b.pending[0]) })
	var claims []Claim
	for len(ready) > 0 && len(claims) < limit {
		rest := ready[:0]
		for _, e := range ready {
			if len(claims) == limit {
				break
			}
			claims = append(claims, e.claim(until))
			if e.claimable(now, perEndpoint) {
				rest = append(rest, e)
			}
		}
		ready = rest
	}
	return claims, nil
}

// takeBack ends the leases that are over.
func (e *memoryEndpoint) takeBack(now time.Time) {
	e.leased = slices.DeleteFunc(e.leased, func(r *row) bool {
		if r.until.After(now) {
			return false
		}
		r.State = Pending
		heap.Push(&e.pending, r)
		return true
	})
}

func (e *memoryEndpoint) claimable(now time.Time, perEndpoint int) bool {
	return len(e.pending) > 0 && !e.pending[0].Due.After(now) && len(e.leased) < perEndpoint
}

func (e *memoryEndpoint) claim(until time.Time) Claim {
	r := heap.Pop(&e.pending).(*row) // nothing else is in it
	r.State, r.until = Leased, until
	r.fence++
	r.Attempt++
	e.leased = append(e.leased, r)
	c := Claim{Token: Token{Seq: r.Seq, Fence: r.fence}, Message: r.Message, Attempt: r.Attempt, Created: r.Created, Due: r.Due}
	c.Body = slices.Clone(r.Body)
	return c
}

// Finish ends a lease, see [Store].
func (m *Memory) Finish(ctx context.Context, now time.Time, token Token, o Outcome) (Health, error) {
	if ctx.Err() != nil {
		return Health{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.find(token.Seq)
	if r == nil || r.State != Leased || r.fence != token.Fence {
		return Health{}, ErrStale
	}
	e := m.endpoints[r.Endpoint]
	e.leased = slices.DeleteFunc(e.leased, func(l *row) bool { return l == r })
	if o.GivenBack {
		r.Attempt--
	}
	r.State, r.Reason = o.State, o.Reason
	if o.State == Pending {
		r.Due = o.Due
		heap.Push(&e.pending, r)
	} else {
		r.Due, r.Ended = time.Time{}, now
		m.ended++
	}
	switch o.Verdict {
	case Success:
		e.Failures, e.FailingSince = 0, time.Time{}
	case Failure:
		if e.Failures++; e.FailingSince.IsZero() {
			e.FailingSince = now
		}
	}
	if o.Pause.After(e.PausedUntil) {
		e.PausedUntil = o.Pause
	}
	return e.Health, nil
}

func (m *Memory) find(seq int64) *row {
	at, found := slices.BinarySearchFunc(m.all, seq, func(r *row, seq int64) int { return cmp.Compare(r.Seq, seq) })
	if !found {
		return nil
	}
	return m.all[at]
}

func byDue(a, b *row) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq)) }

// dueRows is a heap of those that are Pending.
type dueRows []*row

// Len is that of the heap.
func (h dueRows) Len() int { return len(h) }

// Less orders by the time, and then by age.
func (h dueRows) Less(i, j int) bool { return byDue(h[i], h[j]) < 0 }

// Swap changes two places.
func (h dueRows) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a row.
func (h *dueRows) Push(x any) {
	*h = append(*h, x.(*row)) // nothing else is pushed
}

// Pop removes the last row.
func (h *dueRows) Pop() any {
	rows := *h
	r := rows[len(rows)-1]
	rows[len(rows)-1] = nil
	*h = rows[:len(rows)-1]
	return r
}
