// Package header reads HTTP response fields that peers write badly.
//
// Nothing here trusts a number: every result is range-checked and saturated,
// and a field that does not parse is the same as a field that is not there.
package header

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Forever is the wait that stands for anything too long to represent.
const Forever = time.Duration(math.MaxInt64)

// maxSkew is how far an answer's Date may be from the local clock and still be
// believed. Beyond it the Date is taken for garbage.
const maxSkew = time.Hour

// Bare integers are told apart by magnitude: no server asks for a wait of
// thirty years, so ten digits are a Unix time and thirteen one in milliseconds.
const (
	minEpochSeconds = 1e9
	maxEpochSeconds = 1e11
	minEpochMillis  = 1e12
	maxEpochMillis  = 1e14
)

// RetryAfter returns the wait that an answer asks for, and whether it asks for
// one. The wait is in [0, Forever]; a moment in the past is a wait of zero.
//
// It reads Retry-After-Ms and X-Ms-Retry-After-Ms (milliseconds), then
// Retry-After (RFC 9110, section 10.2.3): seconds, seconds with a fraction, any
// of the three HTTP-date forms, and the Unix times that some servers send in
// their place. Dates count from the answer's own Date, if that is within an hour of
// now, so that a clock that is less wrong on either side does not matter; now, such
// as time.Now, is asked when there is a Retry-After. Of several values the longest
// wait wins.
func RetryAfter(h http.Header, now func() time.Time) (time.Duration, bool) {
	for _, name := range [...]string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if wait, ok := longest(h[name], func(s string) (time.Duration, bool) {
			n, ok := number(s)
			return scale(n, time.Millisecond), ok
		}); ok {
			return wait, true
		}
	}
	values := h["Retry-After"]
	if len(values) == 0 {
		return 0, false
	}
	date := dateOr(h, now())
	return longest(values, func(s string) (time.Duration, bool) { return seconds(s, date) })
}

// Nobody who means it sends more or longer values than these.
const (
	maxLines = 8
	maxValue = 1024
)

// longest parses each value, and each member of a value that a proxy joined
// with commas, and returns the longest wait.
func longest(values []string, parse func(string) (time.Duration, bool)) (wait time.Duration, found bool) {
	take := func(s string) bool {
		d, ok := parse(trim(s))
		if ok {
			wait, found = max(wait, d), true
		}
		return ok
	}
	for _, v := range values[:min(len(values), maxLines)] {
		if len(v) > maxValue || take(v) {
			continue
		}
		for len(v) > 0 {
			var member string
			member, v, _ = strings.Cut(v, ",")
			take(member)
		}
	}
	return wait, found
}

// seconds parses one Retry-After value, dates being relative to now.
func seconds(s string, now time.Time) (time.Duration, bool) {
	if n, ok := number(s); ok {
		switch {
		case n >= minEpochSeconds && n < maxEpochSeconds:
			return until(time.Unix(int64(n), 0), now), true
		case n >= minEpochMillis && n < maxEpochMillis:
			return until(time.UnixMilli(int64(n)), now), true
		}
		return scale(n, time.Second), true
	}
	t, ok := httpDate(s)
	if !ok {
		return 0, false
	}
	return until(t, now), true
}

// exactDigits is how many digits every float64 holds.
const exactDigits = 15

// number parses 1*DIGIT [ "." *DIGIT ] and nothing else: no sign, exponent,
// hexadecimal, underscore, infinity or NaN, all of which strconv would accept.
// What no float64 can hold is +Inf.
func number(s string) (float64, bool) {
	i, whole := 0, uint64(0)
	for i < len(s) && isDigit(s[i]) {
		whole = whole*10 + uint64(s[i]-'0')
		i++
	}
	if i == 0 {
		return 0, false
	}
	if i == len(s) && i <= exactDigits {
		return float64(whole), true
	}
	if i < len(s) && s[i] == '.' {
		for i++; i < len(s) && isDigit(s[i]); {
			i++
		}
	}
	if i < len(s) {
		return 0, false
	}
	// The syntax is right, so the only error left is that of range.
	n, _ := strconv.ParseFloat(s, 64)
	return n, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scale converts n units to a duration, saturating at Forever.
func scale(n float64, unit time.Duration) time.Duration {
	d := n * float64(unit)
	if d >= float64(Forever) {
		return Forever
	}
	return time.Duration(math.Round(d))
}

// until is the time from now to t, never negative. Time.Sub saturates.
func until(t, now time.Time) time.Duration { return max(0, t.Sub(now)) }

// httpDate parses the three forms of RFC 9110, section 5.6.7. The grammar
// allows a leap second, which package time does not.
func httpDate(s string) (time.Time, bool) {
	if len(s) < len(time.ANSIC) || len(s) > len(time.RFC850)+16 {
		return time.Time{}, false
	}
	if t, ok := fixdate(s); ok {
		return t, true
	}
	if len(s) != len(time.ANSIC) && !strings.HasSuffix(s, " GMT") {
		// Package time lets RFC 850 have any zone, and takes most for GMT.
		return time.Time{}, false
	}
	t, err := http.ParseTime(strings.Replace(s, ":60 ", ":59 ", 1))
	return t, err == nil
}

// dateOr returns the Date of the answer if it is believable, else now.
func dateOr(h http.Header, now time.Time) time.Time {
	values := h["Date"]
	if len(values) == 0 {
		return now
	}
	date, ok := httpDate(values[0])
	if !ok || date.Sub(now).Abs() > maxSkew {
		return now
	}
	return date
}
