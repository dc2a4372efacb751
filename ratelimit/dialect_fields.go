package ratelimit

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// quota reads a quota that has a field for each number.
func (r *reader) quota(f *quotaFields) {
	q := unknown
	q.Policy, q.Unit = f.policy, f.unit
	if f.window > 0 {
		q.Window = f.window
	}
	q.Resource, q.Policy = r.names(f)
	if f.points != "" && q.Resource == f.points {
		q.Unit = Points
	}
	limit, ok := r.limit(f.limit, &q)
	if !ok {
		limit, ok = r.limit(f.limitElse, &q)
	}
	if ok {
		q.Limit = limit
	}
	if n, ok := r.count(f.remaining, smaller); ok {
		q.Remaining = n
	}
	if n, ok := r.count(f.used, larger); ok {
		q.Used = n
	}
	if q.Limit < 0 && q.Remaining < 0 && q.Used < 0 {
		return
	}
	q.ResetIn = r.reset(f)
	r.interval(f, &q)
	if r.signal.add(&q) {
		return
	}
	for _, name := range [...]string{f.remaining, f.limit, f.limitElse, f.used} {
		if len(r.values(name)) > 0 {
			r.signal.malformed(name)
			return
		}
	}
}

// names returns the resource and the policy of a quota.
func (r *reader) names(f *quotaFields) (resource, policy string) {
	if f.resource != "" {
		resource = r.word(f.resource)
	}
	if f.name != "" {
		policy = r.word(f.name)
	}
	if policy == "" {
		policy = f.policy
	}
	return resource, policy
}

// reset returns the time until a quota is fresh: what the server knows best.
func (r *reader) reset(f *quotaFields) time.Duration {
	in := r.when(f.resetBetter, ResetSeconds)
	if in < 0 {
		in = r.when(f.reset, f.resetAs)
	}
	if in < 0 {
		in = r.when(f.resetWorse, ResetDate)
	}
	return in
}

// interval reads how long the window is, or how fast the bucket fills.
func (r *reader) interval(f *quotaFields, q *Quota) {
	if f.interval == "" {
		return
	}
	interval := r.when(f.interval, f.intervalAs)
	switch fill, ok := r.count(f.fill, smaller); {
	case interval <= 0:
	case ok:
		q.FillRate = min(fill/interval.Seconds(), header.MaxQuantity)
	case f.fill == "":
		q.Window = interval
	}
}

// when reads a field with a moment, and returns how far it is away; negative if
// the field is not there or malformed. Of several values the latest counts.
func (r *reader) when(name string, as ResetForm) time.Duration {
	lines := r.values(name)
	if len(lines) == 0 {
		return -1
	}
	in := time.Duration(-1)
	if header.Sane(lines) {
		for _, line := range lines {
			d := r.moments(line, header.Form(as))
			if d < 0 {
				in = -1
				break
			}
			in = max(in, d)
		}
	}
	if in < 0 {
		r.signal.malformed(name)
	}
	return in
}

// moments parses one line: a moment, or several that a proxy joined with
// commas. Dates may have a comma in them.
func (r *reader) moments(line string, as header.Form) time.Duration {
	if w, ok := header.ParseWhen(line, as); ok {
		return r.resetIn(w)
	}
	in := time.Duration(-1)
	for member := range strings.SplitSeq(line, ",") {
		w, ok := header.ParseWhen(member, as)
		if !ok {
			return -1
		}
		in = max(in, r.resetIn(w))
	}
	return in
}

// smaller and larger choose between the values of a field that is given twice.
func smaller(a, b float64) float64 { return min(a, b) }

func larger(a, b float64) float64 { return max(a, b) }

// count reads a field with a number, or with several that a proxy joined.
func (r *reader) count(name string, choose func(a, b float64) float64) (float64, bool) {
	lines := r.values(name)
	if len(lines) == 0 {
		return 0, false
	}
	if n, ok := counts(lines, choose); ok {
		return n, true
	}
	r.signal.malformed(name)
	return 0, false
}

func counts(lines []string, choose func(a, b float64) float64) (float64, bool) {
	if len(lines) == 1 {
		if n, ok := header.Quantity(lines[0]); ok {
			return n, true
		}
	}
	if !header.Sane(lines) {
		return 0, false
	}
	all, found := 0.0, false
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			n, ok := header.Quantity(member)
			if !ok {
				return 0, false
			}
			if found {
				n = choose(all, n)
			}
			all, found = n, true
		}
	}
	return all, found
}

// limit reads the limit of a quota. The first drafts of the IETF wrote all
// policies into this field, behind the limit that will be reached first:
//
//	RateLimit-Limit: 10, 10;w=1, 50;w=60
func (r *reader) limit(name string, q *Quota) (float64, bool) {
	lines := r.values(name)
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, ";") }) {
		return r.count(name, smaller)
	}
	members, ok := header.Structured(lines)
	if !ok {
		r.signal.malformed(name)
		return 0, false
	}
	limit := -1.0
	for m, more := members.Next(); more; m, more = members.Next() {
		n, ok := m.Value.Count()
		if !ok || m.Key != "" {
			r.signal.malformed(name)
			continue
		}
		if _, window := m.Param("w"); !window {
			limit = least(limit, n)
			continue
		}
		p := unknown
		p.Policy, p.Resource, p.Unit, p.Limit = q.Policy, q.Resource, q.Unit, n
		if p.Window, ok = window(m); !ok {
			r.signal.malformed(name)
			continue
		}
		r.add(&p, name)
	}
	return limit, limit >= 0
}
