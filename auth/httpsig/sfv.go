package httpsig

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// The part of RFC 8941, "Structured Field Values for HTTP", that signatures
// need: dictionaries, lists, inner lists and items of all types. Parsing is
// strict, and what was parsed is written in the one canonical form.

// The bounds of what is compared one with another. Nothing that is meant has more;
// RFC 8941 asks for 256 parameters.
const (
	maxParams = 256 // of an item
	maxList   = 64  // items of an inner list: components of one signature
)

var errField = errors.New("not a structured field")

// token and decimal are item values that strings cannot be told from
// otherwise. A decimal is kept in its canonical form.
type (
	token   string
	decimal string
)

// param is one parameter of an item or of a list.
type param struct {
	name  string
	value any // bool, int64, decimal, string, token or []byte
}

type params []param

func (p params) get(name string) (any, bool) {
	for _, one := range p {
		if one.name == name {
			return one.value, true
		}
	}
	return nil, false
}

// item is an item or, when its value is []item, an inner list.
type item struct {
	value  any
	params params
}

// member is one member of a dictionary.
type member struct {
	name string
	item item
}

type dictionary []member

func (d dictionary) get(name string) (item, bool) {
	for _, m := range d {
		if m.name == name {
			return m.item, true
		}
	}
	return item{}, false
}

// isKey reports whether s can name a member of a dictionary.
func isKey(s string) bool {
	p := &parser{s}
	_, ok := p.key()
	return ok && p.s == ""
}

// parser reads one field value.
type parser struct {
	s string
}

// parseDictionary reads a dictionary (section 4.2.2). A repeated name is
// refused: the RFC lets the last one win, and others let the first.
func parseDictionary(s string) (dictionary, error) {
	p := &parser{strings.Trim(s, " ")}
	var d dictionary
	seen := make(map[string]struct{})
	for p.s != "" {
		name, ok := p.key()
		if !ok {
			return nil, errField
		}
		if _, there := seen[name]; there {
			return nil, errField
		}
		seen[name] = struct{}{}
		m := member{name: name, item: item{value: true}}
		if p.skip('=') {
			if m.item, ok = p.itemOrList(); !ok {
				return nil, errField
			}
		} else if m.item.params, ok = p.params(); !ok {
			return nil, errField
		}
		d = append(d, m)
		if !p.comma() {
			return nil, errField
		}
	}
	return d, nil
}

// parseItem reads an item that is all of s (section 4.2.3).
func parseItem(s string) (item, error) {
	p := &parser{s}
	it, ok := p.item()
	if !ok || p.s != "" {
		return item{}, errField
	}
	return it, nil
}

// comma reads what stands between two members, and reports false for anything
// else that is not the end.
func (p *parser) comma() bool {
	p.blank()
	if p.s == "" {
		return true
	}
	if !p.skip(',') {
		return false
	}
	p.blank()
	return p.s != ""
}

func (p *parser) blank() { p.s = strings.TrimLeft(p.s, " \t") }

// skip reads c if it is next.
func (p *parser) skip(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

// take reads the first n bytes.
func (p *parser) take(n int) string {
	taken := p.s[:n]
	p.s = p.s[n:]
	return taken
}

// span returns how many bytes at the start are in the set.
func (p *parser) span(in func(byte) bool) int {
	n := 0
	for n < len(p.s) && in(p.s[n]) {
		n++
	}
	return n
}

func (p *parser) key() (string, bool) {
	n := p.span(isKeyByte)
	if n == 0 || p.s[0] != '*' && !isLower(p.s[0]) {
		return "", false
	}
	return p.take(n), true
}

func (p *parser) itemOrList() (item, bool) {
	if p.s == "" || p.s[0] != '(' {
		return p.item()
	}
	p.skip('(')
	list := []item{}
	for {
		p.s = strings.TrimLeft(p.s, " ")
		if p.skip(')') {
			ps, ok := p.params()
			return item{value: list, params: ps}, ok
		}
		it, ok := p.item()
		if !ok || len(list) == maxList || p.s == "" || p.s[0] != ' ' && p.s[0] != ')' {
			return item{}, false
		}
		list = append(list, it)
	}
}

func (p *parser) item() (item, bool) {
	value, ok := p.bare()
	if !ok {
		return item{}, false
	}
	ps, ok := p.params()
	return item{value: value, params: ps}, ok
}

func (p *parser) params() (params, bool) {
	var ps params
	for p.skip(';') {
		p.s = strings.TrimLeft(p.s, " ")
		name, ok := p.key()
		if !ok || len(ps) == maxParams {
			return nil, false
		}
		if _, there := ps.get(name); there {
			return nil, false
		}
		one := param{name: name, value: true}
		if p.skip('=') {
			if one.value, ok = p.bare(); !ok {
				return nil, false
			}
		}
		ps = append(ps, one)
	}
	return ps, true
}

// bare reads an item without its parameters (section 4.2.3.1).
func (p *parser) bare() (any, bool) {
	if p.s == "" {
		return nil, false
	}
	switch c := p.s[0]; {
	case c == '"':
		return p.quoted()
	case c == ':':
		return p.bytes()
	case c == '?':
		return p.boolean()
	case c == '-' || isDigit(c):
		return p.number()
	case c == '*' || isAlpha(c):
		return token(p.take(p.span(isTokenByte))), true
	}
	return nil, false
}

func (p *parser) quoted() (any, bool) {
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.take(i + 1)
			return b.String(), true
		case c == '\\':
			if i++; i == len(p.s) || p.s[i] != '"' && p.s[i] != '\\' {
				return nil, false
			}
			b.WriteByte(p.s[i])
		case c < ' ' || c > '~':
			return nil, false
		default:
			b.WriteByte(c)
		}
	}
	return nil, false
}

func (p *parser) bytes() (any, bool) {
	end := strings.IndexByte(p.s[1:], ':')
	if end < 0 {
		return nil, false
	}
	text := p.take(end + 2)
	// Padding is always written, and the decoder passes over line ends, which
	// a field cannot have.
	data, err := base64.StdEncoding.Strict().DecodeString(text[1 : len(text)-1])
	return data, err == nil && !strings.ContainsAny(text, "\r\n")
}

func (p *parser) boolean() (any, bool) {
	if !strings.HasPrefix(p.s, "?0") && !strings.HasPrefix(p.s, "?1") {
		return nil, false
	}
	return p.take(2) == "?1", true
}

func (p *parser) number() (any, bool) {
	sign := ""
	if p.skip('-') {
		sign = "-"
	}
	whole := p.take(p.span(isDigit))
	if whole == "" || len(whole) > 15 {
		return nil, false
	}
	if !p.skip('.') {
		n, err := strconv.ParseInt(sign+whole, 10, 64)
		return n, err == nil
	}
	fraction := p.take(p.span(isDigit))
	if len(whole) > 12 || fraction == "" || len(fraction) > 3 {
		return nil, false
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	return decimal(sign + orZero(whole) + "." + orZero(fraction)), true
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c|0x20) && c < 0x80 }

func isKeyByte(c byte) bool {
	return isLower(c) || isDigit(c) || strings.IndexByte("_-.*", c) >= 0
}

func isTokenByte(c byte) bool {
	return isAlpha(c) || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
}
