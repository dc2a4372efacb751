package ratelimit

import (
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// ResetForm is how a server writes the time of a reset, or a wait.
type ResetForm uint8

const (
	// ResetAuto tells the forms apart by their look, and bare numbers by their
	// size: below 10^7 they are seconds from now on, with ten or eleven digits a
	// Unix time, with thirteen or fourteen a Unix time in milliseconds. Others
	// are malformed.
	ResetAuto = ResetForm(header.AnyForm)
	// ResetSeconds is seconds from now on, below 10^9, perhaps with a fraction.
	ResetSeconds = ResetForm(header.Seconds)
	// ResetMillis is milliseconds from now on, below 10^12.
	ResetMillis = ResetForm(header.Millis)
	// ResetUnix is a Unix time of ten or eleven digits, perhaps with a fraction.
	ResetUnix = ResetForm(header.Unix)
	// ResetUnixMillis is one in milliseconds, of thirteen or fourteen digits.
	ResetUnixMillis = ResetForm(header.UnixMillis)
	// ResetDuration is a duration such as "6m0s" or "120ms".
	ResetDuration = ResetForm(header.GoDuration)
	// ResetDate is a date of RFC 3339, with or without seconds, or an HTTP-date.
	ResetDate = ResetForm(header.Timestamp)
)

// grammar is what to read of a header. Names are in their canonical form.
type grammar struct {
	structured []structuredFields
	quotas     []quotaFields
	fractions  []fractionField
	windows    []windowFields
	prefixes   []prefixField
	waits      []waitField
	cost       []string
	bucket     []string
	scope      []string
	global     []string // "true" means that the scope is global
	reason     []string
	words      sketch // bucket, scope, global and reason
	pauses     sketch // waits, and the fields in which any dialect may ask for one
	lists      sketch // fractions and windows

	// statuses mean throttled, besides those that always do.
	statuses []int
	// mute means that a 403 without JSON is the server's way to throttle.
	mute bool
}

// complete works out which fields are worth looking for others.
func (g *grammar) complete() {
	for i := range g.structured {
		f := &g.structured[i]
		f.told = sketchOf(f.limits, f.policies)
	}
	for i := range g.quotas {
		f := &g.quotas[i]
		f.told = sketchOf(f.limit, f.limitElse, f.remaining, f.used)
	}
	g.pauses = sketchOf(retryAfterFields[:]...)
	for _, f := range g.waits {
		g.pauses.add(f.field)
	}
	for _, f := range g.fractions {
		g.lists.add(f.field)
	}
	for _, f := range g.windows {
		g.lists.add(f.limit)
		g.lists.add(f.used)
	}
	g.words = sketchOf(slices.Concat(g.bucket, g.scope, g.global, g.reason)...)
}

// quotaFields is a quota that is told by a field for each of its numbers.
type quotaFields struct {
	policy                 string
	unit                   Unit
	window                 time.Duration // 0: unknown
	limit, remaining, used string
	limitElse              string // for want of limit
	reset                  string
	resetAs                ResetForm
	resetBetter            string // seconds; more exact than reset
	resetWorse             string // a date, for want of reset
	resource, name         string
	points                 string // the resource that is counted in points
	interval               string
	intervalAs             ResetForm
	fill                   string // units that flow back in each interval
	told                   sketch // one of these says something: limit, limitElse, remaining, used
}

// structuredFields is a pair of structured fields as in the IETF draft.
type structuredFields struct {
	limits, policies string
	unit             Unit
	reset            string // a date, for limits without "t"
	told             sketch // limits and policies
}

// fractionField is used/limit, by itself or with a name before it.
type fractionField struct {
	field  string
	named  bool
	window time.Duration // 0: unknown
	drain  time.Duration // the time in which a full bucket runs dry; 0: unknown
}

// windowFields is a list limit:window with another one, used:window.
type windowFields struct{ policy, limit, used string }

// prefixField is a family of fields whose names end in that of the policy.
type prefixField struct {
	prefix string
	// pairs means "total=100; remaining=99; resets=41"; else the value is what
	// remains, or a list of policy;remaining.
	pairs bool
}

// waitField is a Retry-After of the server's own.
type waitField struct {
	field string
	as    ResetForm
}
