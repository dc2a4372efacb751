package header

import (
	"net/http"
	"strings"
	"time"
)

// MaxQuantity is the largest [Quantity]: fifteen digits, as in RFC 9651, all of
// which a float64 holds.
const MaxQuantity = 999_999_999_999_999

// maxNumber is the longest number that is looked at.
const maxNumber = 32

// Quantity parses a count as servers send it, such as "60", "598.0" or "2.83",
// with white space around it. It is in [0, MaxQuantity].
func Quantity(s string) (float64, bool) {
	s = trim(s)
	if len(s) > maxNumber {
		return 0, false
	}
	n, ok := number(s)
	if !ok || n > MaxQuantity {
		return 0, false
	}
	return n, true
}

// Fraction parses "used/limit", such as "32/40". The limit is positive.
func Fraction(s string) (used, limit float64, ok bool) {
	over, under, _ := strings.Cut(s, "/")
	used, okUsed := Quantity(over)
	limit, okLimit := Quantity(under)
	if !okUsed || !okLimit || limit == 0 {
		return 0, 0, false
	}
	return used, limit, true
}

// CutPair cuts the first pair off a list such as "20:1,100:120", where item
// is ',' and is is ':'. It is not ok if either part is empty. White space around
// both parts is removed.
func CutPair(list string, item, is byte) (key, value, rest string, ok bool) {
	pair := list
	if i := strings.IndexByte(list, item); i >= 0 {
		pair, rest = list[:i], list[i+1:]
		// A separator with nothing behind it is a pair that is missing.
		ok = trim(rest) != ""
	} else {
		ok = true
	}
	i := strings.IndexByte(pair, is)
	if i < 0 {
		return "", "", rest, false
	}
	key, value = trim(pair[:i]), trim(pair[i+1:])
	return key, value, rest, ok && key != "" && value != ""
}

// Sane reports whether the lines of a field are few and short enough to be
// looked at: no more than 8, none longer than 1024 bytes.
func Sane(lines []string) bool {
	if len(lines) > maxLines {
		return false
	}
	for _, line := range lines {
		if len(line) > maxValue {
			return false
		}
	}
	return true
}

// ServerTime returns what the server's clock said when it answered: its Date
// (RFC 9110, section 6.6.1), or now if that is missing, unreadable or more than
// an hour away.
func ServerTime(h http.Header, now time.Time) time.Time { return dateOr(h, now) }

// Cached reports whether an answer has spent time in a cache: its Age (RFC
// 9111, section 5.1) is positive. An unreadable Age is none.
func Cached(h http.Header) bool {
	values := h["Age"]
	if len(values) == 0 {
		return false
	}
	age, ok := Quantity(values[0])
	return ok && age > 0
}

// trim removes optional white space (RFC 9110, section 5.6.3).
func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
