package httpsig

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// String writes the dictionary in its canonical form (RFC 8941, section 4.1.2).
func (d dictionary) String() string {
	var parts []string
	for _, m := range d {
		if m.item.value == true {
			parts = append(parts, m.name+m.item.params.String())
			continue
		}
		parts = append(parts, m.name+"="+m.item.String())
	}
	return strings.Join(parts, ", ")
}

// String writes the item or inner list with its parameters.
func (it item) String() string {
	list, ok := it.value.([]item)
	if !ok {
		return bareString(it.value) + it.params.String()
	}
	parts := make([]string, 0, len(list))
	for _, one := range list {
		parts = append(parts, one.String())
	}
	return "(" + strings.Join(parts, " ") + ")" + it.params.String()
}

func (p params) String() string {
	var b strings.Builder
	for _, one := range p {
		b.WriteString(";" + one.name)
		if one.value != true {
			b.WriteString("=" + bareString(one.value))
		}
	}
	return b.String()
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// bareString writes an item without its parameters. A string must have been
// checked with isPrintable.
func bareString(value any) string {
	switch v := value.(type) {
	case string:
		return `"` + quoter.Replace(v) + `"`
	case token:
		return string(v)
	case decimal:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case []byte:
		return ":" + base64.StdEncoding.EncodeToString(v) + ":"
	case bool:
		if v {
			return "?1"
		}
		return "?0"
	}
	return ""
}

// isPrintable reports whether s can be a string of a structured field.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
