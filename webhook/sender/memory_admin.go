package sender

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// Disable stops an endpoint, see [Store].
func (m *Memory) Disable(ctx context.Context, now time.Time, endpoint, reason string) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoint(endpoint)
	if !e.DisabledAt.IsZero() {
		return false, nil
	}
	e.DisabledAt, e.Reason = now, reason
	return true, nil
}

// Enable takes Disable back, see [Store].
func (m *Memory) Enable(ctx context.Context, endpoint string) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoints[endpoint]
	if e == nil {
		return false, nil
	}
	was := !e.DisabledAt.IsZero()
	e.Health = Health{Endpoint: endpoint}
	return was, nil
}

// Health returns what is known of an endpoint, see [Store].
func (m *Memory) Health(ctx context.Context, endpoint string) (Health, error) {
	if ctx.Err() != nil {
		return Health{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.endpoints[endpoint]; e != nil {
		return e.Health, nil
	}
	return Health{Endpoint: endpoint}, nil
}

// List returns the messages that fit, see [Store].
func (m *Memory) List(ctx context.Context, f Filter) ([]Record, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var records []Record
	for _, r := range m.all {
		switch {
		case r.Seq <= f.After, f.State != 0 && r.State != f.State,
			f.Endpoint != "" && r.Endpoint != f.Endpoint, f.ID != "" && r.ID != f.ID:
			continue
		case len(records) == f.Limit:
			return records, nil
		}
		record := r.Record
		record.Body = nil
		if f.Content {
			record.Body = slices.Clone(r.Body)
		}
		if r.State == Leased {
			record.Due = r.until
		}
		records = append(records, record)
	}
	return records, nil
}

// Replay makes messages Pending again, see [Store].
func (m *Memory) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, seq := range seqs {
		r := m.find(seq)
		if r == nil || !r.over() {
			continue
		}
		r.State, r.Due, r.Ended, r.Attempt = Pending, now, time.Time{}, 0
		m.ended--
		heap.Push(&m.endpoint(r.Endpoint).pending, r)
		n++
	}
	return n, nil
}

// Purge forgets old messages, see [Store].
func (m *Memory) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forget(limit, func(r *row) bool {
		if r.over() {
			return r.Ended.Before(before)
		}
		disabled := m.endpoints[r.Endpoint].DisabledAt
		return r.State == Pending && !disabled.IsZero() && disabled.Before(before)
	}), nil
}

// Stats counts what is in the store, see [Store].
func (m *Memory) Stats(ctx context.Context) (Stats, error) {
	if ctx.Err() != nil {
		return Stats{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var s Stats
	for _, r := range m.all {
		switch r.State {
		case Pending:
			s.Pending++
		case Leased:
			s.Leased++
		case Done:
			s.Done++
		case Dead:
			s.Dead++
		}
		if !r.over() && s.Oldest.IsZero() {
			s.Oldest = r.Created
		}
	}
	for _, e := range m.endpoints {
		if !e.DisabledAt.IsZero() {
			s.Disabled++
		}
	}
	return s, nil
}
