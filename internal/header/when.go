package header

import (
	"strings"
	"time"
)

// Form is how a time is written.
type Form uint8

const (
	// AnyForm tells the forms apart by their look, and bare numbers by their
	// size: up to 10^7 they are seconds, with ten or eleven digits a Unix time,
	// with thirteen or fourteen a Unix time in milliseconds.
	AnyForm Form = iota
	// Seconds from now on, perhaps with a fraction.
	Seconds
	// Millis is milliseconds from now on, perhaps with a fraction.
	Millis
	// Unix is seconds since 1970, perhaps with a fraction.
	Unix
	// UnixMillis is milliseconds since 1970.
	UnixMillis
	// GoDuration is a duration from now on as package time writes it: "6m0s".
	GoDuration
	// Timestamp is a date of RFC 3339, with or without its seconds, or an
	// HTTP-date.
	Timestamp

	forms
)

// Valid reports whether f is one of the forms.
func (f Form) Valid() bool { return f < forms }

// When is a moment, relative or absolute.
type When struct {
	// In is how far away it is, if At is zero.
	In time.Duration
	At time.Time
}

// From returns how far the moment is from now, in [0, Forever].
func (w When) From(now time.Time) time.Duration {
	if w.At.IsZero() {
		return w.In
	}
	return until(w.At, now)
}

const (
	// maxBare is the most seconds that a bare number can be: 115 days. From
	// there up to the Unix times nobody knows what is meant.
	maxBare = 1e7
	// maxWhen is the longest text that is looked at.
	maxWhen = 64
)

// ParseWhen parses a moment. Without a form for it, s is unreadable; numbers
// that no server means in that form are unreadable as well: seconds from 10^9 on
// are a Unix time, and Unix times below it are seconds.
func ParseWhen(s string, as Form) (When, bool) {
	s = trim(s)
	if s == "" || len(s) > maxWhen {
		return When{}, false
	}
	if n, ok := number(s); ok {
		return numeric(n, as)
	}
	if !isDigit(s[0]) {
		// Only HTTP-dates begin with the name of a day.
		if as == AnyForm || as == Timestamp {
			if t, ok := httpDate(s); ok {
				return When{At: t}, true
			}
		}
		return When{}, false
	}
	switch {
	case (as == AnyForm || as == Timestamp) && len(s) > len("2006-") && s[4] == '-':
		return timestamp(s)
	case as == AnyForm || as == GoDuration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return When{}, false
		}
		return When{In: d}, true
	}
	return When{}, false
}

// numeric interprets a bare number.
func numeric(n float64, as Form) (When, bool) {
	unix := n >= minEpochSeconds && n < maxEpochSeconds
	unixMillis := n >= minEpochMillis && n < maxEpochMillis
	switch {
	case as == AnyForm && n < maxBare, as == Seconds && n < minEpochSeconds:
		return When{In: scale(n, time.Second)}, true
	case as == Millis && n < minEpochMillis:
		return When{In: scale(n, time.Millisecond)}, true
	case unix && (as == AnyForm || as == Unix):
		// A float64 of this size is good to a microsecond.
		return When{At: time.UnixMicro(int64(n*1e6 + 0.5))}, true
	case unixMillis && (as == AnyForm || as == UnixMillis):
		return When{At: time.UnixMilli(int64(n))}, true
	}
	return When{}, false
}

// timestamp parses RFC 3339, section 5.6, the seconds of which some servers
// leave out. Package time has no leap seconds.
func timestamp(s string) (When, bool) {
	const short = "2006-01-02T15:04"
	layout := time.RFC3339
	switch {
	case len(s) <= len(short):
		return When{}, false
	case s[len(short)] != ':':
		layout = "2006-01-02T15:04Z07:00"
	case strings.HasPrefix(s[len(short):], ":60"):
		s = s[:len(short)] + ":59" + s[len(short+":60"):]
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return When{}, false
	}
	return When{At: t}, true
}
