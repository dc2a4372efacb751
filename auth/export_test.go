package auth

import "time"

// InstantPassed reports whether a point in time has passed at now that is mono
// by the monotonic clock and wall by the other.
func InstantPassed(mono, wall, now time.Time) bool {
	return instant{mono: mono, wall: wall.UnixNano()}.passed(now)
}
