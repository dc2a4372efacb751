package redislimit

import (
	_ "embed" // for the script
	"fmt"
	"strconv"
	"time"
)

// script is what runs on Redis, the same for all calls, so that a client that
// sends its hash first (EVALSHA) needs to send it once.
//
//go:embed lease.lua
var script string

// liveFor is how long a replica counts as one after a call.
const liveFor = 30 * time.Second

// order is what a call asks of Redis.
type order struct {
	want     int           // slots
	patience time.Duration // and how far away the first may be
	outage   time.Duration // how long this replica went without Redis; negative if it did not
	unused   unused
	hold     time.Duration
	// What is left of the upstream's window, if resets is positive.
	remaining int
	resets    time.Duration
}

// args are the arguments of the script.
func (l *Limiter) args(o order) []string {
	remaining := -1
	if o.resets > 0 {
		remaining = o.remaining
	}
	outage := int64(-1)
	if o.outage >= 0 {
		outage = o.outage.Microseconds()
	}
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		text(int64(o.want)),
		text(l.interval.Nanoseconds()),
		text(l.credit().Microseconds()),
		text(ceilMicros(o.patience)),
		l.id,
		text(liveFor.Microseconds()),
		text(outage),
		text(l.config.grace().Microseconds()),
		text(o.unused.mark),
		text(int64(o.unused.left)),
		text(ceilMicros(o.hold)),
		text(int64(remaining)),
		text(ceilMicros(o.resets)),
		text(windowGuard.Microseconds()),
	}
}

// credit is how far in the past a slot may lie that can still be leased: all
// slots of a burst but the one that is due.
func (l *Limiter) credit() time.Duration { return scaled(l.interval, float64(l.config.Burst-1)) }

func ceilMicros(d time.Duration) int64 {
	return (d + time.Microsecond - 1).Microseconds()
}

// reply is what the script has answered.
type reply struct {
	given    int           // slots
	wait     time.Duration // until the first, or the first that there would be; negative for a slot of the past
	mark     int64
	replicas int
	held     time.Duration // the rest of a pause
}

// maxExact is the largest integer up to which doubles, the numbers of Lua, are
// exact.
const maxExact = 1 << 53

// read reads a reply to o. Everything that the script would not say is an error:
// whatever stands behind Eval, it can't make us wait or spend without bound.
func (l *Limiter) read(raw any, o order) (reply, error) {
	list, ok := raw.([]any)
	if !ok {
		return reply{}, &ReplyError{fmt.Sprintf("%T, not a list", raw)}
	}
	var n [5]int64
	if len(list) != len(n) {
		return reply{}, &ReplyError{fmt.Sprintf("a list of %d, not %d", len(list), len(n))}
	}
	patience := ceilMicros(o.patience)
	limits := [len(n)]struct {
		name     string
		min, max int64
	}{
		{"slots", 0, int64(o.want)},
		{"wait", -l.credit().Microseconds(), horizon.Microseconds()},
		{"mark", -maxExact, maxExact},
		{"replicas", 1, maxReplicas},
		{"pause", 0, horizon.Microseconds()},
	}
	for i, limit := range limits {
		if n[i], ok = list[i].(int64); !ok {
			return reply{}, &ReplyError{fmt.Sprintf("%s: %T, not an integer", limit.name, list[i])}
		}
		if n[i] < limit.min || n[i] > limit.max {
			return reply{}, &ReplyError{fmt.Sprintf("%s: %d, not between %d and %d", limit.name, n[i], limit.min, limit.max)}
		}
	}
	if o.want > 0 && (n[0] > 0) != (n[1] <= patience) {
		return reply{}, &ReplyError{fmt.Sprintf("%d slots after a wait of %d, when %d were asked for within %d", n[0], n[1], o.want, patience)}
	}
	if n[4] > 0 && n[1] < n[4] {
		return reply{}, &ReplyError{fmt.Sprintf("a wait of %d during a pause of %d", n[1], n[4])}
	}
	return reply{
		given:    int(n[0]),
		wait:     time.Duration(n[1]) * time.Microsecond,
		mark:     n[2],
		replicas: int(n[3]),
		held:     time.Duration(n[4]) * time.Microsecond,
	}, nil
}
