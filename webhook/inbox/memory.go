package inbox

import (
	"cmp"
	"container/heap"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] in memory, for tests and small tools. It forgets all when
// the program ends, so that what it takes in is not durable. It is safe for
// concurrent use.
type Memory struct {
	mu      sync.Mutex
	last    int64
	all     []*row // by seq
	dedupe  map[Hash]*row
	content map[Hash]*row
	lanes   map[Hash][]*row // those that make a lane busy, by seq
	due     dueRows
	counts  [Discarded + 1]int64
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{dedupe: make(map[Hash]*row), content: make(map[Hash]*row), lanes: make(map[Hash][]*row)}
}

// row is an event in memory.
type row struct {
	Record
	dedupe, content, lane Hash
	fence                 int64
	place                 int // in the heap, if it is Pending or Leased
}

// Now is the time of this machine.
func (*Memory) Now(ctx context.Context) (time.Time, error) { return time.Now(), context.Cause(ctx) }

// Put stores entries, see [Store].
func (m *Memory) Put(ctx context.Context, now time.Time, entries []Entry) ([]Result, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]Result, len(entries))
	for i := range entries {
		results[i] = m.put(now, &entries[i])
	}
	return results, nil
}

func (m *Memory) put(now time.Time, e *Entry) Result {
	if e.Content != (Hash{}) && m.content[e.Content] != nil {
		return Duplicate
	}
	r := &row{Record: Record{Event: e.Event}, dedupe: e.Dedupe, content: e.Content, lane: e.Lane}
	r.Body, r.Header = slices.Clone(e.Body), e.Header.Clone()
	if known := m.dedupe[e.Dedupe]; known != nil {
		if known.Fingerprint == e.Fingerprint || e.Reuse == (Hash{}) || m.dedupe[e.Reuse] != nil {
			return Duplicate
		}
		r.dedupe, r.content = e.Reuse, Hash{}
		m.add(r)
		r.State, r.Ended = Quarantined, now
		m.counts[Quarantined]++
		return Reuse
	}
	m.add(r)
	m.enter(r, now)
	return Stored
}

func (m *Memory) add(r *row) {
	m.last++
	r.Seq = m.last
	m.all = append(m.all, r)
	m.dedupe[r.dedupe] = r
	if r.content != (Hash{}) {
		m.content[r.content] = r
	}
}

// enter makes r Pending or Waiting. It is in no state before.
func (m *Memory) enter(r *row, now time.Time) {
	r.Ended, r.Holds = time.Time{}, false
	if r.lane != (Hash{}) {
		lane := m.lanes[r.lane]
		at, _ := slices.BinarySearchFunc(lane, r.Seq, bySeq)
		m.lanes[r.lane] = slices.Insert(lane, at, r)
		if len(lane) > 0 {
			r.State = Waiting
			m.counts[Waiting]++
			return
		}
	}
	m.pend(r, now)
}

func (m *Memory) pend(r *row, due time.Time) {
	r.State, r.Due = Pending, due
	m.counts[Pending]++
	heap.Push(&m.due, r)
}

// leave takes r out of its lane, and lets the next one go.
func (m *Memory) leave(r *row, now time.Time) {
	lane := m.lanes[r.lane]
	at, found := slices.BinarySearchFunc(lane, r.Seq, bySeq)
	if !found {
		return
	}
	lane = slices.Delete(lane, at, at+1)
	if len(lane) == 0 {
		delete(m.lanes, r.lane)
		return
	}
	m.lanes[r.lane] = lane
	if next := lane[0]; next.State == Waiting {
		m.counts[Waiting]--
		m.pend(next, now)
	}
}

func bySeq(r *row, seq int64) int { return cmp.Compare(r.Seq, seq) }

func (m *Memory) find(seq int64) *row {
	at, found := slices.BinarySearchFunc(m.all, seq, bySeq)
	if !found {
		return nil
	}
	return m.all[at]
}

// Claim takes events that are due, see [Store].
func (m *Memory) Claim(ctx context.Context, now, until time.Time, limit int) ([]Claim, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var claims []Claim
	for len(claims) < limit && len(m.due) > 0 && !m.due[0].Due.After(now) {
		r := m.due[0]
		due := r.Due
		if r.State == Leased {
			r.Crashes++
		}
		m.counts[r.State]--
		m.counts[Leased]++
		r.State, r.Due = Leased, until
		r.fence++
		r.Attempt++
		heap.Fix(&m.due, 0)
		c := Claim{
			Token: Token{Seq: r.Seq, Fence: r.fence, Lane: r.lane}, Event: r.Event, Dedupe: r.dedupe,
			Attempt: r.Attempt, Crashes: r.Crashes, Replays: r.Replays, Due: due,
		}
		c.Body, c.Header = slices.Clone(r.Body), r.Header.Clone()
		claims = append(claims, c)
	}
	return claims, nil
}

// held returns the row that is leased to t, nil if none is.
func (m *Memory) held(t Token) *row {
	if r := m.find(t.Seq); r != nil && r.State == Leased && r.fence == t.Fence {
		return r
	}
	return nil
}

// Extend moves the ends of leases, see [Store].
func (m *Memory) Extend(ctx context.Context, tokens []Token, until time.Time) ([]Token, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var lost []Token
	for _, t := range tokens {
		r := m.held(t)
		if r == nil {
			lost = append(lost, t)
			continue
		}
		r.Due = until
		heap.Fix(&m.due, r.place)
	}
	return lost, nil
}

// Finish ends a lease, see [Store].
func (m *Memory) Finish(ctx context.Context, now time.Time, t Token, o Outcome) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.held(t)
	if r == nil {
		return ErrStale
	}
	heap.Remove(&m.due, r.place)
	m.counts[Leased]--
	if o.GivenBack {
		r.Attempt--
	}
	r.Reason = o.Reason
	if o.State == Pending {
		m.pend(r, o.Due)
		return nil
	}
	m.end(r, o.State, now)
	if r.Holds = o.Hold && o.State == Dead && r.lane != (Hash{}); !r.Holds {
		m.leave(r, now)
	}
	return nil
}

func (m *Memory) end(r *row, state State, now time.Time) {
	r.State, r.Due, r.Ended = state, time.Time{}, now
	m.counts[state]++
}

// dueRows is a heap of those that are Pending or Leased.
type dueRows []*row

// Len is that of the heap.
func (h *dueRows) Len() int { return len(*h) }

// Less orders by the time, and then by age.
func (h *dueRows) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq)) < 0
}

// Swap keeps the places right.
func (h *dueRows) Swap(i, j int) {
	rows := *h
	rows[i], rows[j] = rows[j], rows[i]
	rows[i].place, rows[j].place = i, j
}

// Push adds a row.
func (h *dueRows) Push(x any) {
	r := x.(*row) // pend alone pushes
	r.place = len(*h)
	*h = append(*h, r)
}

// Pop removes the last row.
func (h *dueRows) Pop() any {
	rows := *h
	r := rows[len(rows)-1]
	rows[len(rows)-1] = nil
	*h = rows[:len(rows)-1]
	return r
}

// records makes a Record of r for others.
func (r *row) record(content bool) Record {
	rec := r.Record
	if !content {
		rec.Body, rec.Header = nil, nil
		return rec
	}
	rec.Body, rec.Header = slices.Clone(r.Body), http.Header.Clone(r.Header)
	return rec
}
