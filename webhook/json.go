package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// A document is a body that is valid JSON. Values are found in it without
// decoding the rest.
type document []byte

// errNotJSON says that a body is not one JSON text, or that it says the same
// thing twice: the parser of the one who reads it next may believe the other.
var (
	errNotJSON    = errors.New("the body is not JSON")
	errDuplicate  = errors.New("the body has a member twice")
	errNotAnArray = errors.New("the body has no array of events")
)

// parseJSON checks body, which it does not copy. Nothing may follow the value.
func parseJSON(body []byte) (document, error) {
	if !json.Valid(body) {
		return nil, errNotJSON
	}
	return document(skipBlanks(body)), nil
}

// find returns the value at path, nil if there is none. Its second result is
// false if an object on the way has the member twice.
func (d document) find(path []string) (document, bool) {
	v := d
	for _, name := range path {
		if len(v) == 0 || v[0] != '{' {
			return nil, true
		}
		next, ok := v.member(name)
		if !ok || next == nil {
			return nil, ok
		}
		v = next
	}
	return v, true
}

// member returns the value of a member of the object that d begins with.
func (d document) member(name string) (value document, ok bool) {
	rest := skipBlanks(d[1:])
	for len(rest) > 0 && rest[0] != '}' {
		n := stringLen(rest)
		key := rest[:n]
		rest = skipBlanks(rest[n:])
		rest = skipBlanks(rest[1:]) // the colon
		n = valueLen(rest)
		if keyIs(key, name) {
			if value != nil {
				return nil, false
			}
			value = document(rest[:n])
		}
		rest = nextItem(rest[n:])
	}
	return value, true
}

// elements returns the values of the array that d is, nil if it is none. There
// are at most limit of them, or else the result is nil, too.
func (d document) elements(limit int) []document {
	if len(d) == 0 || d[0] != '[' {
		return nil
	}
	all := []document{}
	rest := skipBlanks(d[1:])
	for len(rest) > 0 && rest[0] != ']' {
		if len(all) == limit {
			return nil
		}
		n := valueLen(rest)
		all = append(all, document(rest[:n:n]))
		rest = nextItem(rest[n:])
	}
	return all
}

// text returns a string without its quotes, and the literal of a number or of
// true and false. Anything else is "".
func (d document) text() string {
	if len(d) == 0 {
		return ""
	}
	switch d[0] {
	case '"':
		n := stringLen(d)
		if inner := d[1 : n-1]; bytes.IndexByte(inner, '\\') < 0 {
			return string(inner)
		}
		var s string
		if json.Unmarshal(d[:n], &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	}
	return string(d[:valueLen(d)])
}

// textAt is find and text. It is false if the path is ambiguous.
func (d document) textAt(path []string) (string, bool) {
	v, ok := d.find(path)
	return v.text(), ok
}

// textsAt returns the values of several paths, with blanks between the paths and
// dashes between the values. If none of them is there it is "".
func (d document) textsAt(paths string) (string, error) {
	var b strings.Builder
	found := false
	for path := range strings.SplitSeq(paths, " ") {
		s, ok := d.textAt(strings.Split(path, "."))
		if !ok {
			return "", errDuplicate
		}
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		found = found || s != ""
		b.WriteString(s)
	}
	if !found {
		return "", nil
	}
	return b.String(), nil
}

// keyIs compares a key in its quotes with a name.
func keyIs(key []byte, name string) bool {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == name
	}
	var s string
	return json.Unmarshal(key, &s) == nil && s == name
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// nextItem steps from the end of one item to the next, or to what closes the
// list.
func nextItem(b []byte) []byte {
	b = skipBlanks(b)
	if len(b) > 0 && b[0] == ',' {
		b = skipBlanks(b[1:])
	}
	return b
}

// stringLen is the length of the string that b begins with, quotes included.
func stringLen(b []byte) int {
	for i := 1; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b) // not in valid JSON
		}
		i += n + 1
		escapes := 0
		for j := i - 2; j > 0 && b[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// valueLen is the length of the value that b begins with.
func valueLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return stringLen(b)
	case '{', '[':
		depth := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				i += stringLen(b[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(b) // not in valid JSON
	}
	if n := bytes.IndexAny(b, ",}] \t\r\n"); n >= 0 {
		return n
	}
	return len(b)
}
