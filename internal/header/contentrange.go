package header

import (
	"math"
	"net/http"
	"strings"
)

// ByteRange is a part of a representation, in bytes. Both ends belong to it:
// 0 <= First <= Last < math.MaxInt64.
type ByteRange struct {
	First, Last int64
	// Complete is the length of the whole representation, more than Last;
	// -1 if the server does not know it.
	Complete int64
}

// Len is the number of bytes in the range.
func (r ByteRange) Len() int64 { return r.Last - r.First + 1 }

// ContentRange returns the part of the representation that an answer holds by
// its Content-Range (RFC 9110, section 14.4), and whether it says so. A field
// that is given twice, that has another unit than bytes, that contradicts
// itself, or that has a number beyond int64 says nothing; nor does that of a
// range that could not be satisfied ("bytes */10").
func ContentRange(h http.Header) (ByteRange, bool) {
	lines := h["Content-Range"]
	if len(lines) != 1 {
		return ByteRange{}, false
	}
	unit, value, _ := strings.Cut(lines[0], " ")
	span, complete, _ := strings.Cut(value, "/")
	first, last, _ := strings.Cut(span, "-")
	r := ByteRange{Complete: -1}
	var okFirst, okLast bool
	r.First, okFirst = digits(first)
	r.Last, okLast = digits(last)
	ok := okFirst && okLast && strings.EqualFold(unit, "bytes") && r.First <= r.Last && r.Last < math.MaxInt64
	if ok && complete != "*" {
		r.Complete, ok = digits(complete)
		ok = ok && r.Complete > r.Last
	}
	if !ok {
		return ByteRange{}, false
	}
	return r, true
}

// digits parses 1*DIGIT and nothing else, up to math.MaxInt64.
func digits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, s != ""
}
