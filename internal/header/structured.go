package header

import "strings"

// The bounds of a structured field. One that exceeds them is malformed.
const (
	maxStructured = 8 << 10 // bytes, all lines together
	maxMembers    = 64
	maxParams     = 64 // per member
	maxKey        = 64
	maxDigits     = 15 // of an integer
)

// Kind is the type of a [Value].
type Kind uint8

// The types of RFC 9651, section 3.3, but for Display Strings.
const (
	Integer Kind = iota + 1
	Decimal
	String
	Token
	Bytes
	Boolean
	Date
)

// Value is a bare item.
type Value struct {
	Kind Kind
	// Text is the string without its quotes, the token, or the base64 of the
	// bytes. It shares memory with the field unless the string had escapes.
	Text string
	// Int is the integer, the seconds of a date, or 1 for true.
	Int int64
}

// Name returns the text of a string or token: some servers send the one where
// the other is due.
func (v Value) Name() (string, bool) { return v.Text, v.Kind == String || v.Kind == Token }

// Count returns the integer if it is one and not negative.
func (v Value) Count() (float64, bool) { return float64(v.Int), v.Kind == Integer && v.Int >= 0 }

// Member is one member of a List or Dictionary with its parameters.
type Member struct {
	// Key is that of a Dictionary's member, empty in a List.
	Key    string
	Value  Value
	params string // known to be well-formed
}

// Param returns the value of a parameter. Of several with one key the last
// counts (RFC 9651, section 4.2.3.2).
func (m Member) Param(key string) (Value, bool) {
	var found Value
	p := cursor{s: m.params}
	for p.more() {
		k, v := p.param()
		if k == key {
			found = v
		}
	}
	return found, found.Kind != 0
}

// Members walks over a structured field (RFC 9651).
type Members struct {
	lines []string
	rest  cursor
}

// Structured checks a field that is a List of Items or a Dictionary of Items,
// several lines being one field, and returns its members. As RFC 9651 demands,
// one error anywhere makes all of it malformed; so do more than 64 members, 64
// parameters to one of them, 8 KiB in all, inner lists, display strings, and
// members of a List and of a Dictionary in one field.
func Structured(lines []string) (Members, bool) {
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	if size > maxStructured {
		return Members{}, false
	}
	all := Members{lines: lines}
	check, members, keyed := all, 0, 0
	for {
		m, ok := check.Next()
		if !ok {
			break
		}
		members++
		if m.Key != "" {
			keyed++
		}
	}
	if check.rest.bad || members > maxMembers || keyed != 0 && keyed != members {
		return Members{}, false
	}
	return all, true
}

// Next returns the next member, and false after the last.
func (m *Members) Next() (Member, bool) {
	for !m.rest.more() {
		if m.rest.bad || len(m.lines) == 0 {
			return Member{}, false
		}
		m.rest, m.lines = cursor{s: m.lines[0]}, m.lines[1:]
		m.rest.skip(" ")
	}
	member := m.rest.member()
	m.rest.separator()
	return member, !m.rest.bad
}

// cursor reads a string from its front. After the first error it is bad, and
// what it returns means nothing.
type cursor struct {
	s   string
	bad bool
}

func (c *cursor) more() bool { return c.s != "" && !c.bad }

func (c *cursor) skip(chars string) { c.s = strings.TrimLeft(c.s, chars) }

// eat consumes b if it comes next.
func (c *cursor) eat(b byte) bool {
	if c.s == "" || c.s[0] != b {
		return false
	}
	c.s = c.s[1:]
	return true
}

// while consumes the characters for which is is true, and returns them.
func (c *cursor) while(is func(byte) bool) string {
	i := 0
	for i < len(c.s) && is(c.s[i]) {
		i++
	}
	head := c.s[:i]
	c.s = c.s[i:]
	return head
}

// separator consumes what stands between two members, or after the last.
func (c *cursor) separator() {
	c.skip(" \t")
	if c.s == "" || c.bad {
		return
	}
	comma := c.eat(',')
	c.skip(" \t")
	c.bad = !comma || c.s == ""
}

// member reads an item, or a key with an item.
func (c *cursor) member() Member {
	var m Member
	front := *c
	if key := front.key(); !front.bad && front.eat('=') {
		m.Key, *c = key, front
	}
	m.Value = c.bare()
	before := c.s
	for n := 0; c.more() && c.s[0] == ';'; n++ {
		c.param()
		c.bad = c.bad || n >= maxParams
	}
	m.params = before[:len(before)-len(c.s)]
	return m
}

// param reads a parameter with the semicolon before it.
func (c *cursor) param() (string, Value) {
	c.bad = c.bad || !c.eat(';')
	c.skip(" ")
	key := c.key()
	if c.eat('=') {
		return key, c.bare()
	}
	return key, Value{Kind: Boolean, Int: 1}
}

func (c *cursor) key() string {
	if c.s == "" || !isLower(c.s[0]) && c.s[0] != '*' {
		c.bad = true
		return ""
	}
	key := c.while(func(b byte) bool {
		return isLower(b) || isDigit(b) || b == '_' || b == '-' || b == '.' || b == '*'
	})
	c.bad = c.bad || len(key) > maxKey
	return key
}

// bare reads a bare item (RFC 9651, section 4.2.3.1).
func (c *cursor) bare() Value {
	if c.s == "" {
		c.bad = true
		return Value{}
	}
	switch b := c.s[0]; {
	case b == '-' || isDigit(b):
		return c.number()
	case b == '"':
		return c.quoted()
	case b == ':':
		return c.bytes()
	case isAlpha(b) || b == '*':
		return Value{Kind: Token, Text: c.while(isTokenChar)}
	case b == '?':
		return c.boolean()
	case b == '@':
		c.s = c.s[1:]
		v := c.number()
		c.bad = c.bad || v.Kind != Integer
		return Value{Kind: Date, Int: v.Int}
	}
	c.bad = true
	return Value{}
}

func (c *cursor) boolean() Value {
	c.s = c.s[1:]
	switch {
	case c.eat('1'):
		return Value{Kind: Boolean, Int: 1}
	case c.eat('0'):
		return Value{Kind: Boolean}
	}
	c.bad = true
	return Value{}
}

// number reads an Integer, or a Decimal, whose value nobody wants.
func (c *cursor) number() Value {
	negative := c.eat('-')
	whole := c.while(isDigit)
	if c.eat('.') {
		fraction := c.while(isDigit)
		c.bad = c.bad || whole == "" || len(whole) > maxDigits-3 || fraction == "" || len(fraction) > 3
		return Value{Kind: Decimal}
	}
	n, ok := digits(whole)
	c.bad = c.bad || !ok || len(whole) > maxDigits
	if negative {
		n = -n
	}
	return Value{Kind: Integer, Int: n}
}

// quoted reads a String.
func (c *cursor) quoted() Value {
	s := c.s[1:]
	var unescaped []byte
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '"':
			c.s = s[i+1:]
			if unescaped != nil {
				return Value{Kind: String, Text: string(unescaped)}
			}
			return Value{Kind: String, Text: s[:i]}
		case b == '\\':
			if unescaped == nil {
				// Not the rest of the field: that may hold a thousand strings.
				unescaped = append(make([]byte, 0, 2*i+16), s[:i]...)
			}
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				c.bad = true
				return Value{}
			}
			unescaped = append(unescaped, s[i])
		case b < ' ' || b >= 0x7f:
			c.bad = true
			return Value{}
		case unescaped != nil:
			unescaped = append(unescaped, b)
		}
	}
	c.bad = true
	return Value{}
}

// bytes reads a Byte Sequence and leaves it encoded. Padding may be missing.
func (c *cursor) bytes() Value {
	c.s = c.s[1:]
	text := c.while(func(b byte) bool { return isAlpha(b) || isDigit(b) || b == '+' || b == '/' || b == '=' })
	data := len(text)
	for data > 0 && text[data-1] == '=' {
		data--
	}
	padding := len(text) - data
	for i := range data {
		c.bad = c.bad || text[i] == '='
	}
	c.bad = c.bad || !c.eat(':') || data%4 == 1 || padding != 0 && (padding > 2 || len(text)%4 != 0)
	return Value{Kind: Bytes, Text: text}
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isAlpha(c byte) bool { return isLower(c | 0x20) }

// isTokenChar is tchar with the ":" and "/" that RFC 9651 adds.
func isTokenChar(c byte) bool { return c == ':' || c == '/' || isTchar(c) }
