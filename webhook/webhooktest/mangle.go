package webhooktest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"iter"
	"unicode/utf8"
)

// Mangled yields what frameworks, proxies and attackers make of a body on its
// way, each with a name: written anew as JSON, escaped in another way, in another
// charset, with other line ends, compressed, cut off, lengthened. What leaves
// this body as it is is left out. A receiver whose scheme signs the body must
// refuse all of them.
//
//	for name, body := range webhooktest.Mangled(body) {
//		…
//	}
func Mangled(body []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, way := range ways {
			changed := way.change(bytes.Clone(body))
			if !bytes.Equal(changed, body) && !yield(way.name, changed) {
				return
			}
		}
	}
}

// ways are in the order in which they are yielded. Each has its body to itself.
var ways = []struct {
	name   string
	change func([]byte) []byte
}{
	{"parsed and written anew", rewritten},
	{"without white space", func(b []byte) []byte { return formatted(b, json.Compact) }},
	{"indented", func(b []byte) []byte {
		return formatted(b, func(dst *bytes.Buffer, src []byte) error { return json.Indent(dst, src, "", "  ") })
	}},
	{"slashes escaped", func(b []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte(`\/`), []byte("/")), []byte("/"), []byte(`\/`))
	}},
	{"slashes not escaped", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`\/`), []byte("/")) }},
	{"escaped to ASCII", escaped},
	{"invalid UTF-8 replaced", func(b []byte) []byte { return bytes.ToValidUTF8(b, []byte("\uFFFD")) }},
	{"taken for Latin-1", latin1},
	{"byte order mark", func(b []byte) []byte { return append([]byte("\xEF\xBB\xBF"), b...) }},
	{"CRLF for LF", func(b []byte) []byte { return bytes.ReplaceAll(unixLines(b), []byte("\n"), []byte("\r\n")) }},
	{"LF for CRLF", unixLines},
	{"line break at the end", func(b []byte) []byte { return append(b, '\n') }},
	{"white space trimmed", bytes.TrimSpace},
	{"compressed", compressed},
	{"one bit", func(b []byte) []byte {
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		return b
	}},
	{"cut off", func(b []byte) []byte { return b[:max(0, len(b)-1)] }},
	{"twice", func(b []byte) []byte { return append(b, b...) }},
	{"NUL at the end", func(b []byte) []byte { return append(b, 0) }},
	{"empty", func([]byte) []byte { return nil }},
}

// rewritten is what a framework makes of JSON that it has parsed for a handler.
func rewritten(b []byte) []byte {
	var value any
	if json.Unmarshal(b, &value) != nil {
		return b
	}
	again, err := json.Marshal(value)
	if err != nil {
		return b
	}
	return again
}

func formatted(b []byte, format func(*bytes.Buffer, []byte) error) []byte {
	var out bytes.Buffer
	if format(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

// escaped writes what is not ASCII as JSON does that is to be ASCII.
func escaped(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r < utf8.RuneSelf || r == utf8.RuneError && size == 1:
			out = append(out, b[:size]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[size:]
	}
	return out
}

// latin1 is the UTF-8 of a text whose bytes were taken for characters.
func latin1(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

func unixLines(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

func compressed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // to memory
	_ = w.Close()
	return out.Bytes()
}
