package redislimit

import (
	"math"
	"time"
)

// forever is a date that never comes.
const forever = time.Duration(math.MaxInt64)

// lease is a run of slots that Redis has given to this replica, one interval
// apart. A slot may be spent from its date on.
type lease struct {
	next  time.Duration // the date of the first slot that is left
	left  int
	until time.Duration // what is not spent by then is void
	fresh bool          // nothing of it is spent
	// The dates in Redis of its first slot and of the one after its last, in
	// microseconds. The latter names the lease.
	from, mark int64
}

// maxLeases is how many leases a bucket holds: the one that it spends and the
// one that comes after.
const maxLeases = 2

// unused are slots at the end of what this replica has leased. They go back to
// Redis with the next call, which takes them if it has given no later lease.
type unused struct {
	mark int64 // of the last of the leases
	left int
}

// add adds what is left of a lease.
func (u *unused) add(l lease) {
	if u.left == 0 || u.mark != l.from || !l.fresh {
		u.left = 0 // another lease was given in between
	}
	u.mark, u.left = l.mark, u.left+l.left
}

// after is n intervals after date, or forever.
func after(date, interval time.Duration, n int) time.Duration {
	span := float64(interval) * float64(n)
	if span >= float64(forever-max(0, date)) {
		return forever
	}
	return date + time.Duration(span)
}

// scaled is factor times d, or forever.
func scaled(d time.Duration, factor float64) time.Duration {
	if f := float64(d) * factor; f < float64(forever) {
		return time.Duration(f)
	}
	return forever
}
