package ratelimit

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// maxPolicy is the longest name or partition key of a policy.
const maxPolicy = 256

// structured reads RateLimit-Policy and RateLimit in each of their shapes: a
// Dictionary (draft 07), a List of numbers (RateLimit-Policy of drafts 04 to
// 07), and a List of names (drafts 08 to 10).
func (r *reader) structured(f *structuredFields) {
	policies, ok := r.members(f.policies)
	for m, more := policies.Next(); ok && more; m, more = policies.Next() {
		if !r.policy(f, m) {
			r.signal.malformed(f.policies)
		}
	}
	whole := unknown
	limits, ok := r.members(f.limits)
	for m, more := limits.Next(); ok && more; m, more = limits.Next() {
		if m.Key == "" && !r.current(f, m) || m.Key != "" && !entry(&whole, m) {
			r.signal.malformed(f.limits)
		}
	}
	if whole.Limit >= 0 || whole.Remaining >= 0 {
		whole.Unit = f.unit
		r.add(&whole, f.limits)
	}
}

// members returns the members of a field, if it is there and well-formed.
func (r *reader) members(name string) (header.Members, bool) {
	lines := r.values(name)
	if len(lines) == 0 {
		return header.Members{}, false
	}
	members, ok := header.Structured(lines)
	if !ok {
		r.signal.malformed(name)
	}
	return members, ok
}

// entry takes up one entry of a Dictionary. Those that it does not know are
// for others.
func entry(q *Quota, m header.Member) bool {
	n, ok := m.Value.Count()
	switch m.Key {
	case "limit":
		q.Limit = value(n, ok, q.Limit)
	case "remaining":
		q.Remaining = value(n, ok, q.Remaining)
	case "reset":
		if ok {
			q.ResetIn = wholeSeconds(n)
		}
	default:
		return true
	}
	return ok
}

// value is n if ok, else what was there before.
func value(n float64, ok bool, before float64) float64 {
	if ok {
		return n
	}
	return before
}

// policy takes up one member of RateLimit-Policy.
func (r *reader) policy(f *structuredFields, m header.Member) bool {
	q := unknown
	q.Unit = f.unit
	var ok bool
	if q.Policy, ok = m.Value.Name(); ok {
		limit, _ := m.Param("q")
		q.Limit, ok = limit.Count()
		ok = ok && q.Policy != "" && len(q.Policy) <= maxPolicy
	} else {
		q.Limit, ok = m.Value.Count()
	}
	if !ok || m.Key != "" {
		return false
	}
	if q.Window, ok = window(m); !ok {
		return false
	}
	if q.Partition, ok = partition(m); !ok {
		return false
	}
	if v, found := m.Param("qu"); found {
		if q.Unit, ok = unitOf(v); !ok {
			return false
		}
	}
	r.add(&q, f.policies)
	return true
}

// current takes up one member of RateLimit that has a name.
func (r *reader) current(f *structuredFields, m header.Member) bool {
	name, ok := m.Value.Name()
	if !ok || name == "" || len(name) > maxPolicy {
		return false
	}
	left, _ := m.Param("r")
	remaining, ok := left.Count()
	if !ok {
		return false
	}
	resetIn, ok := seconds(m, "t")
	if !ok {
		return false
	}
	key, ok := partition(m)
	if !ok {
		return false
	}
	if resetIn < 0 && f.reset != "" {
		resetIn = r.when(f.reset, ResetDate)
	}
	q := unknown
	q.Policy, q.Partition, q.Unit = name, key, f.unit
	if p := r.signal.policy(name, key); p != nil {
		if key != "" && p.Remaining < 0 {
			p.Partition = key
		}
		if key == "" {
			q.Partition = p.Partition
		}
		q.Unit, q.Limit, q.Window = p.Unit, p.Limit, p.Window
	}
	q.Remaining, q.ResetIn = remaining, resetIn
	r.add(&q, f.limits)
	return true
}

// policy returns the quota with that name and partition key, or else one where
// only one side has given a key.
func (s *Signal) policy(name, key string) *Quota {
	var like *Quota
	for i := range s.Quotas {
		q := &s.Quotas[i]
		switch {
		case q.Policy != name:
		case q.Partition == key:
			return q
		case (key == "" || q.Partition == "") && like == nil:
			like = q
		}
	}
	return like
}

// partition returns the partition key, empty if there is none.
func partition(m header.Member) (string, bool) {
	v, found := m.Param("pk")
	if !found {
		return "", true
	}
	return v.Text, v.Kind == header.Bytes && len(v.Text) <= maxPolicy
}

// window returns how long the window of a policy is; negative if it is not
// told. There is no window of nothing.
func window(m header.Member) (time.Duration, bool) {
	w, ok := seconds(m, "w")
	return w, ok && w != 0
}

// seconds returns a parameter that counts seconds; negative if it is not there.
// It is not ok if it has another type or sign.
func seconds(m header.Member, key string) (time.Duration, bool) {
	v, found := m.Param(key)
	if !found {
		return -1, true
	}
	n, ok := v.Count()
	return wholeSeconds(n), ok
}

func wholeSeconds(n float64) time.Duration {
	return time.Duration(max(0, min(n, Horizon.Seconds()))) * time.Second
}

// unitOf returns the unit that the parameter qu names (draft 10, section 4.1).
func unitOf(v header.Value) (Unit, bool) {
	name, ok := v.Name()
	switch name {
	case "requests":
		return Requests, ok
	case "content-bytes":
		return ContentBytes, ok
	case "concurrent-requests":
		return Concurrent, ok
	}
	return OtherUnit, ok
}
