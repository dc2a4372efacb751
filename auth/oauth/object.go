package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// object is a JSON object with each member's text. Member names are compared
// letter by letter, unlike those of a struct in encoding/json.
type object map[string]json.RawMessage

// maxMembers is more than any answer has.
const maxMembers = 256

// parseObject reads data, which must be one JSON object and nothing else, in
// UTF-8 without a byte order mark, with each name once. Its errors have nothing
// of the data.
func parseObject(data []byte) (object, error) {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return nil, errors.New("it begins with a byte order mark")
	case !utf8.Valid(data):
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	o := make(object)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("it is not valid JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		if _, ok := o[name]; ok {
			return nil, errors.New("it has a member twice")
		}
		if len(o) == maxMembers {
			return nil, errors.New("it has too many members")
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it breaks off")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something comes after the JSON object")
	}
	return o, nil
}

// text returns a member that is a string. A member that is not there, or null,
// is "" and ok.
func (o object) text(name string) (s string, ok bool) {
	raw, there := o[name]
	if !there || string(raw) == "null" {
		return "", true
	}
	// Unmarshal would take null for "" in a list, but not here.
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// texts returns a member that is a list of strings; nil for anything else.
func (o object) texts(name string) []string {
	var list []*string
	if json.Unmarshal(o[name], &list) != nil {
		return nil
	}
	var texts []string
	for _, s := range list {
		if s != nil {
			texts = append(texts, *s)
		}
	}
	return texts
}

// flag reports whether a member is true.
func (o object) flag(name string) bool { return string(o[name]) == "true" }

// maxSeconds keeps numbers of seconds far from an overflow: ten years.
const maxSeconds = 10 * 365 * 24 * 3600

// seconds returns a member that is a number of seconds, also one with a
// fraction or in a string, as some servers write it. It is 0 for everything that
// is no positive number, and ten years at most.
func (o object) seconds(name string) time.Duration {
	text := string(o[name])
	if s, ok := o.text(name); ok && s != "" {
		text = strings.TrimSpace(s)
	}
	if text == "" || text[0] < '0' || text[0] > '9' || strings.ContainsAny(text, "xXpP_") {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(n, 1) || math.IsNaN(n) {
		return 0
	}
	return time.Duration(min(n, maxSeconds) * float64(time.Second))
}
