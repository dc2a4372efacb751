package webhook

import "time"

// The digits of a time between 2001 and 2286. Where a timestamp touches another
// piece of what is signed, it must have so many, lest one of them be moved over.
const (
	secondsDigits = 10
	millisDigits  = 13
)

// The most digits that a timestamp has.
const (
	maxSecondsDigits = 12
	maxMillisDigits  = 15
)

const maxRFC3339 = len("2006-01-02T15:04:05.999999999-07:00")

// parseTime reads a timestamp in the form of the scheme and in no other: no
// sign, no leading zero, no fraction of a Unix time, no blanks.
func (e *engine) parseTime(s string) (time.Time, bool) {
	switch e.scheme.TimeFormat {
	case UnixMillis:
		n, ok := digits(s, maxMillisDigits)
		return time.UnixMilli(n).UTC(), ok && (!e.fixedDigits || len(s) == millisDigits)
	case RFC3339:
		if !shapedRFC3339(s) {
			return time.Time{}, false
		}
		t, err := time.Parse(time.RFC3339, s)
		return t.UTC(), err == nil
	}
	n, ok := digits(s, maxSecondsDigits)
	return time.Unix(n, 0).UTC(), ok && (!e.fixedDigits || len(s) == secondsDigits)
}

// shapedRFC3339 reports whether s has the shape of RFC 3339, section 5.6. Package
// time takes more: an hour of one digit, a comma for the point, offsets of more
// than a day.
func shapedRFC3339(s string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(s) <= len(shape) || len(s) > maxRFC3339 || !shaped(s[:len(shape)], shape) {
		return false
	}
	s = s[len(shape):]
	if s[0] == '.' {
		n := 1
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		if n == 1 {
			return false
		}
		s = s[n:]
	}
	return s == "Z" || shaped(s, "+00:00") && s[1:3] < "24" || shaped(s, "-00:00") && s[1:3] < "24"
}

// shaped compares s with a shape in which 0 stands for any digit.
func shaped(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := range len(s) {
		if s[i] != shape[i] && (shape[i] != '0' || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// digits reads up to limit digits, of which the first is not 0.
func digits(s string, limit int) (n int64, ok bool) {
	if s == "" || len(s) > limit || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}
