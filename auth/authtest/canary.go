// Package authtest has what tests of programs with credentials need.
package authtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Canary finds secrets where they must not be: in logs, errors, traces and
// whatever else a program puts out. Give its secrets to the program under test,
// collect what the program says, and let the Canary look at it:
//
//	canary := authtest.NewCanary()
//	key := canary.Secret("api key")
//	…
//	canary.Check(t, "log", logs.String())
//	canary.Check(t, "error", err)
//
// It finds a secret as it is, quoted for Go, JSON or HTML, URL-encoded, in
// hexadecimal, as a list of bytes, and in base64 of either alphabet, also in the
// midst of something longer, as a password is in Basic credentials. It does not
// find a part of one, a hash of one, or one that is compressed or encrypted.
//
// It is safe for concurrent use.
type Canary struct {
	mu      sync.Mutex
	needles []needle
}

// needle is one spelling of a secret.
type needle struct {
	secret, form string
	text         string
	fold         bool // letters of either case
}

// NewCanary returns a Canary without secrets.
func NewCanary() *Canary { return &Canary{} }

// Secret makes a new secret and remembers it under name. It consists of letters
// and digits, so that it can be a token, a password or a key.
func (c *Canary) Secret(name string) string {
	s := "canary" + rand.Text()
	c.Add(name, s)
	return s
}

// Add remembers a secret that comes from somewhere else. It panics if secret is
// shorter than six bytes: so short a text is found by chance.
func (c *Canary) Add(name, secret string) {
	if len(secret) < 6 {
		panic("authtest: the secret " + strconv.Quote(name) + " is too short to be searched for")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range spellings(secret) {
		n.secret = name
		c.needles = append(c.needles, n)
	}
}

// Leak is a secret that was found.
type Leak struct {
	// Secret is its name.
	Secret string
	// Form says how it was written, such as "base64".
	Form string
	// Where says what was looked at.
	Where string
}

// String describes the leak, without the secret.
func (l Leak) String() string {
	return fmt.Sprintf("the secret %q leaks in %s (%s)", l.Secret, l.Where, l.Form)
}

// Scan returns the secrets that are in text, each in the first form found.
func (c *Canary) Scan(where, text string) []Leak {
	c.mu.Lock()
	defer c.mu.Unlock()
	lower := strings.ToLower(text)
	var leaks []Leak
	seen := make(map[string]bool)
	for _, n := range c.needles {
		if seen[n.secret] || !(strings.Contains(text, n.text) || n.fold && strings.Contains(lower, n.text)) {
			continue
		}
		seen[n.secret] = true
		leaks = append(leaks, Leak{Secret: n.secret, Form: n.form, Where: where})
	}
	return leaks
}

// Look returns the secrets that show when v is printed with package fmt, logged
// with log/slog or marshalled with encoding/json. Of an error it looks at all
// that errors.Unwrap leads to.
func (c *Canary) Look(where string, v any) []Leak {
	var leaks []Leak
	for i, v := range unwrapped(v) {
		for form, text := range printed(v) {
			where := where + ", " + form
			if i > 0 {
				where = fmt.Sprintf("%s, unwrapped to %T", where, v)
			}
			leaks = append(leaks, c.Scan(where, text)...)
		}
	}
	return leaks
}

// Check fails the test for each secret that shows in one of the values. Strings
// and slices of bytes are looked at as they are, everything else as
// [Canary.Look] does.
func (c *Canary) Check(t testing.TB, where string, values ...any) {
	t.Helper()
	for _, v := range values {
		var leaks []Leak
		switch v := v.(type) {
		case string:
			leaks = c.Scan(where, v)
		case []byte:
			leaks = c.Scan(where, string(v))
		default:
			leaks = c.Look(where, v)
		}
		for _, l := range leaks {
			t.Error(l.String())
		}
	}
}

// maxUnwrapped bounds the search through a tree of errors.
const maxUnwrapped = 100

// unwrapped returns v and, if it is an error, all errors in it.
func unwrapped(v any) []any {
	all := []any{v}
	for i := 0; i < len(all) && i < maxUnwrapped; i++ {
		err, ok := all[i].(error)
		if !ok {
			continue
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				if e != nil {
					all = append(all, e)
				}
			}
		} else if e := errors.Unwrap(err); e != nil {
			all = append(all, e)
		}
	}
	return all
}

// printed returns v in all the ways in which programs print things.
func printed(v any) map[string]string {
	texts := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		texts[verb] = fmt.Sprintf(verb, v)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).LogAttrs(context.Background(), slog.LevelInfo, "", slog.Any("v", v))
	texts["slog text"] = log.String()
	log.Reset()
	slog.New(slog.NewJSONHandler(&log, nil)).LogAttrs(context.Background(), slog.LevelInfo, "", slog.Any("v", v))
	texts["slog JSON"] = log.String()
	if data, err := json.Marshal(v); err == nil {
		texts["JSON"] = string(data)
	}
	return texts
}

// spellings returns the ways in which a secret may be written.
func spellings(s string) []needle {
	raw := []byte(s)
	inJSON, _ := json.Marshal(s) // a string can always be marshalled
	quoted := strconv.Quote(s)
	all := []needle{
		{form: "as it is", text: s},
		{form: "JSON", text: string(inJSON[1 : len(inJSON)-1])},
		{form: "quoted", text: quoted[1 : len(quoted)-1]},
		{form: "quoted ASCII", text: strings.Trim(strconv.QuoteToASCII(s), `"`)},
		{form: "HTML", text: html.EscapeString(s)},
		{form: "URL-encoded", text: strings.ToLower(url.QueryEscape(s)), fold: true},
		{form: "URL-encoded", text: strings.ToLower(url.PathEscape(s)), fold: true},
		{form: "URL-encoded", text: percent(raw), fold: true},
		{form: "hexadecimal", text: hex.EncodeToString(raw), fold: true},
		{form: "hexadecimal", text: fmt.Sprintf("% x", raw), fold: true},
		{form: "list of bytes", text: strings.Trim(fmt.Sprintf("%d", raw), "[]")},
		{form: "list of bytes", text: strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", raw), "[]"), " ", ",")},
		{form: "list of bytes", text: strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte"), "{}")},
	}
	for offset := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, needle{form: "base64", text: within(encoding, raw, offset)})
		}
	}
	return all
}

// within returns what of raw is certain in the base64 of something longer where
// raw begins at offset of a group of three bytes.
func within(encoding *base64.Encoding, raw []byte, offset int) string {
	text := encoding.EncodeToString(append(make([]byte, offset), raw...))
	// A character is six bits: drop those that have a bit of something else.
	first := (offset*8 + 5) / 6
	last := (offset + len(raw)) * 8 / 6
	return text[first:last]
}

// percent returns raw with each byte percent-encoded.
func percent(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}
