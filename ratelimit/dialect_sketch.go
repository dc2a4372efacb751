package ratelimit

import (
	"net/http"
	"strings"
)

// sketch is a set of field names that is small and quick to ask, and may think
// that it has some that it has not. Most fields that a dialect knows are not in
// an answer, and to look for each in a header would cost most of the reading.
type sketch [4]uint64

func (s *sketch) add(name string) {
	i := place(name)
	s[i>>6] |= 1 << (i & 63)
}

// may reports whether name may be in s; false is certain.
func (s *sketch) may(name string) bool {
	i := place(name)
	return s[i>>6]&(1<<(i&63)) != 0
}

// mayMeet reports whether a name may be in both; false is certain.
func (s *sketch) mayMeet(o *sketch) bool {
	return s[0]&o[0]|s[1]&o[1]|s[2]&o[2]|s[3]&o[3] != 0
}

// place is where a name is in a sketch. Names of one family differ in their
// length, their middle or their end.
func place(name string) uint8 {
	if name == "" {
		return 0
	}
	return uint8(len(name))*59 ^ name[len(name)/2]*29 ^ name[len(name)-1]*7 // #nosec G115 -- any bits will do
}

// sketchOf is the set of those names that are not empty.
func sketchOf(names ...string) (s sketch) {
	for _, name := range names {
		if name != "" {
			s.add(name)
		}
	}
	return s
}

// look takes notice of which fields are there.
func (r *reader) look(h http.Header) {
	for name := range h {
		r.present.add(name)
		for i := range r.grammar.prefixes {
			r.prefixes = r.prefixes || strings.HasPrefix(name, r.grammar.prefixes[i].prefix)
		}
	}
}

// values returns the lines of a field, none for the name "".
func (r *reader) values(name string) []string {
	if name == "" || !r.present.may(name) {
		return nil
	}
	return r.header[name]
}
