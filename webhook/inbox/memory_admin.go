package inbox

import (
	"context"
	"slices"
	"time"
)

// Backlog counts the events that are not handled yet, see [Store].
func (m *Memory) Backlog(ctx context.Context, limit int) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(min(int64(limit), m.counts[Pending]+m.counts[Leased]+m.counts[Waiting])), nil
}

// List returns the events that fit, see [Store].
func (m *Memory) List(ctx context.Context, f Filter) ([]Record, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	from, found := slices.BinarySearchFunc(m.all, f.After, bySeq)
	if found {
		from++
	}
	var records []Record
	for _, r := range m.all[from:] {
		if len(records) == f.Limit {
			break
		}
		if (f.State == 0 || f.State == r.State) && (f.Source == "" || f.Source == r.Source) && (f.ID == "" || f.ID == r.ID) {
			records = append(records, r.record(f.Content))
		}
	}
	return records, nil
}

// Replay has events handled again, see [Store].
func (m *Memory) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return m.change(ctx, seqs, func(r *row) bool {
		switch r.State {
		case Done, Dead, Quarantined, Discarded:
		default:
			return false
		}
		m.counts[r.State]--
		r.Attempt, r.Crashes = 0, 0
		r.Replays++
		r.fence++
		if r.Holds { // it is in its lane already, and the first
			r.Holds, r.Ended = false, time.Time{}
			m.pend(r, now)
			return true
		}
		m.enter(r, now)
		return true
	})
}

// Discard gives events up, see [Store].
func (m *Memory) Discard(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return m.change(ctx, seqs, func(r *row) bool {
		if r.State != Dead && r.State != Quarantined {
			return false
		}
		m.counts[r.State]--
		m.end(r, Discarded, now)
		if r.Holds {
			r.Holds = false
			m.leave(r, now)
		}
		return true
	})
}

func (m *Memory) change(ctx context.Context, seqs []int64, change func(*row) bool) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, seq := range seqs {
		if r := m.find(seq); r != nil && change(r) {
			n++
		}
	}
	return n, nil
}

// Purge forgets old events, see [Store].
func (m *Memory) Purge(ctx context.Context, done, dead time.Time, limit int) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	m.all = slices.DeleteFunc(m.all, func(r *row) bool {
		before := done
		switch r.State {
		case Done, Discarded:
		case Dead, Quarantined:
			before = dead
		default:
			return false
		}
		if n == limit || r.Holds || !r.Ended.Before(before) {
			return false
		}
		n++
		m.counts[r.State]--
		delete(m.dedupe, r.dedupe)
		if r.content != (Hash{}) {
			delete(m.content, r.content)
		}
		return true
	})
	return n, nil
}

// Stats counts the events, see [Store].
func (m *Memory) Stats(ctx context.Context) (Stats, error) {
	if ctx.Err() != nil {
		return Stats{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{
		Pending: m.counts[Pending], Leased: m.counts[Leased], Waiting: m.counts[Waiting],
		Dead: m.counts[Dead], Quarantined: m.counts[Quarantined],
	}
	for _, r := range m.all {
		if r.State == Pending || r.State == Leased || r.State == Waiting {
			s.Oldest = r.Received
			break
		}
	}
	return s, nil
}
