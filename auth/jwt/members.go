package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep JSON may be nested. Claims are seldom deeper than four.
const maxDepth = 32

// parseObject reads a JSON object and returns its members, by their exact
// names. It is stricter than encoding/json, because two parsers that
// understand one token in two ways are a way around the check: the text must
// be UTF-8, nothing may follow the object, and no object in it may have two
// members whose names are equal when case is ignored.
func parseObject(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	if err := scanObject(dec, 1); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// scanObject reads an object from behind its brace on.
func scanObject(dec *json.Decoder, depth int) error {
	seen := make(map[string]struct{})
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return errors.New("not valid JSON")
		}
		name, ok := t.(string)
		if !ok {
			return errors.New("not valid JSON")
		}
		name = fold(name)
		if _, ok := seen[name]; ok {
			return errors.New("a JSON object has two members of one name")
		}
		seen[name] = struct{}{}
		if err := scanValue(dec, depth); err != nil {
			return err
		}
	}
	return scanEnd(dec)
}

// scanValue reads one value of any type.
func scanValue(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return errors.New("not valid JSON")
	}
	if depth == maxDepth {
		if _, nested := t.(json.Delim); nested {
			return errors.New("JSON is nested too deeply")
		}
	}
	switch t {
	case json.Delim('{'):
		return scanObject(dec, depth+1)
	case json.Delim('['):
		for dec.More() {
			if err := scanValue(dec, depth+1); err != nil {
				return err
			}
		}
		return scanEnd(dec)
	}
	return nil
}

// scanEnd reads a closing brace or bracket.
func scanEnd(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

// fold returns the same for names that differ only in case, as encoding/json
// and other parsers compare them.
func fold(name string) string {
	folded := make([]rune, 0, len(name))
	for _, r := range name {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		folded = append(folded, least)
	}
	return string(folded)
}

// text returns a member that is a string. It reports false if it is something
// else; a member that is missing is the empty string.
func text(members map[string]json.RawMessage, name string) (string, bool) {
	raw, ok := members[name]
	if !ok {
		return "", true
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", false
	}
	return *s, true
}

// texts returns a member that is a string or a list of strings.
func texts(members map[string]json.RawMessage, name string) ([]string, bool) {
	if s, ok := text(members, name); ok {
		if _, there := members[name]; !there {
			return nil, true
		}
		return []string{s}, true
	}
	var list []*string
	if err := json.Unmarshal(members[name], &list); err != nil || list == nil {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s == nil {
			return nil, false
		}
		out = append(out, *s)
	}
	return out, true
}

// strictBase64 refuses the tail bits that do not matter, so that each value has
// one spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

// decode reads base64url without padding (RFC 7515, section 2).
func decode(s string) ([]byte, bool) {
	for i := range len(s) {
		// Go's decoder passes over line ends.
		if s[i] == '\n' || s[i] == '\r' {
			return nil, false
		}
	}
	data, err := strictBase64.DecodeString(s)
	return data, err == nil
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
