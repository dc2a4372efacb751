package ratelimit

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// lists reads the fields that hold a list.
func (r *reader) lists() {
	g := r.grammar
	if !r.prefixes && !r.present.mayMeet(&g.lists) {
		return
	}
	for i := range g.fractions {
		r.fraction(&g.fractions[i])
	}
	for i := range g.windows {
		r.windows(&g.windows[i])
	}
	for i := 0; r.prefixes && i < len(g.prefixes); i++ {
		r.prefixed(&g.prefixes[i])
	}
}

// fraction reads "32/40", or "api-usage=18/5000, other=3/250(app=x)".
func (r *reader) fraction(f *fractionField) {
	for _, line := range r.lines(f.field) {
		if !f.named {
			if !r.level(f, "", line) {
				r.signal.malformed(f.field)
			}
			continue
		}
		for member := range strings.SplitSeq(line, ",") {
			name, level, _ := strings.Cut(strings.Trim(member, " \t"), "=")
			level, _, _ = strings.Cut(level, "(")
			if !isWord(name) || !r.level(f, name, level) {
				r.signal.malformed(f.field)
			}
		}
	}
}

// level takes up one used/limit.
func (r *reader) level(f *fractionField, name, level string) bool {
	used, limit, ok := header.Fraction(level)
	if !ok {
		return false
	}
	q := unknown
	q.Policy, q.Used, q.Limit = name, used, limit
	if f.window > 0 {
		q.Window = f.window
	}
	if f.drain > 0 {
		q.FillRate = limit / f.drain.Seconds()
	}
	r.add(&q, f.field)
	return true
}

// windows reads "20:1,100:120" and what is used of each, "1:1,37:120".
func (r *reader) windows(f *windowFields) {
	before := len(r.signal.Quotas)
	r.eachWindow(f.limit, func(limit float64, window time.Duration) {
		q := unknown
		q.Policy, q.Limit, q.Window = f.policy, limit, window
		r.add(&q, f.limit)
	})
	r.eachWindow(f.used, func(used float64, window time.Duration) {
		for i := before; i < len(r.signal.Quotas); i++ {
			if q := &r.signal.Quotas[i]; q.Window == window {
				q.Used = max(q.Used, used)
				q.Remaining = max(0, q.Limit-q.Used)
			}
		}
	})
}

// eachWindow calls take for each count:window of a field, all of which must be
// well-formed.
func (r *reader) eachWindow(field string, take func(count float64, window time.Duration)) {
	lines := r.lines(field)
	for _, line := range lines {
		for rest := line; rest != ""; {
			var ok bool
			if _, _, rest, ok = cutWindow(rest); !ok {
				r.signal.malformed(field)
				return
			}
		}
	}
	for _, line := range lines {
		for rest := line; rest != ""; {
			var count float64
			var window time.Duration
			count, window, rest, _ = cutWindow(rest)
			take(count, window)
		}
	}
}

func cutWindow(list string) (count float64, window time.Duration, rest string, ok bool) {
	c, w, rest, ok := header.CutPair(list, ',', ':')
	count, okCount := header.Quantity(c)
	length, okLength := header.ParseWhen(w, header.Seconds)
	window = cut(length.In)
	return count, window, rest, ok && okCount && okLength && window > 0
}

// maxPrefixed is how many fields of one family are read.
const maxPrefixed = 16

// prefixed reads the fields that begin with a prefix, in the order of their
// names: those of a map have none.
func (r *reader) prefixed(f *prefixField) {
	var names [maxPrefixed]string
	n := 0
	for name := range r.header {
		policy, ok := strings.CutPrefix(name, f.prefix)
		if !ok {
			continue
		}
		if !isWord(policy) {
			r.signal.malformed(f.prefix + "*")
			continue
		}
		at, _ := slices.BinarySearch(names[:n], name)
		if n < maxPrefixed {
			n++
		} else {
			r.signal.malformed(f.prefix + "*")
		}
		if at < n {
			copy(names[at+1:n], names[at:n-1])
			names[at] = name
		}
	}
	for _, name := range names[:n] {
		if f.pairs {
			r.pairs(name, name[len(f.prefix):])
		} else {
			r.remains(name, name[len(f.prefix):])
		}
	}
}

// pairs reads "total=100; remaining=99; resets=41".
func (r *reader) pairs(field, policy string) {
	for _, line := range r.lines(field) {
		q := unknown
		q.Policy = policy
		ok := true
		for rest := line; rest != "" && ok; {
			var key, text string
			key, text, rest, ok = header.CutPair(rest, ';', '=')
			if !ok {
				break
			}
			var n float64
			if n, ok = header.Quantity(text); !ok {
				break
			}
			switch strings.ToLower(key) {
			case "total":
				q.Limit = n
			case "remaining":
				q.Remaining = n
			case "resets":
				q.ResetIn = wholeSeconds(math.Ceil(n))
			}
		}
		if !ok || q.Limit < 0 && q.Remaining < 0 {
			r.signal.malformed(field)
			continue
		}
		r.add(&q, field)
	}
}

// remains reads what is left of a policy, "11999", or of several, "a;3,b;7".
func (r *reader) remains(field, policy string) {
	q := unknown
	for _, line := range r.lines(field) {
		if !strings.Contains(line, ";") {
			if n, ok := r.count(field, smaller); ok {
				q.Policy, q.Remaining = policy, n
				r.add(&q, field)
			}
			return
		}
		for rest := line; rest != ""; {
			var text string
			var ok, number bool
			q.Policy, text, rest, ok = header.CutPair(rest, ',', ';')
			q.Remaining, number = header.Quantity(text)
			if !ok || !number || !isWord(q.Policy) {
				r.signal.malformed(field)
				break
			}
			r.add(&q, field)
		}
	}
}

// lines returns the lines of a field, none if they are too many or too long.
func (r *reader) lines(field string) []string {
	lines := r.values(field)
	if !header.Sane(lines) {
		r.signal.malformed(field)
		return nil
	}
	return lines
}
