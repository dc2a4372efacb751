package auth

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// redactError returns err without the secrets that it might carry: those given,
// and in the URLs of nested *url.Errors the userinfo and the values of the
// query. What it returns answers errors.Is and errors.As as err does, but for a
// *url.Error, which comes as a copy without secrets. An error that has none is
// returned as it is.
func redactError(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // this very error; deeper ones follow
		return redactURLError(u, secrets)
	}
	text := err.Error()
	clean := text
	for u := range urlErrors(err) {
		if safe := redactURL(u.URL); safe != u.URL {
			// As it prints, and as others print it.
			clean = strings.ReplaceAll(clean, quoted(u.URL), quoted(safe))
			clean = strings.ReplaceAll(clean, u.URL, safe)
		}
	}
	if clean = scrub(clean, secrets); clean == text {
		return err
	}
	return &redactedError{err: err, text: clean, secrets: secrets}
}

// redactURLError returns a copy of u, or u itself if there is nothing to hide.
func redactURLError(u *url.Error, secrets []string) *url.Error {
	text := u.Error()
	clean := *u
	clean.URL, clean.Err = scrub(redactURL(u.URL), secrets), redactError(u.Err, secrets)
	if clean.Error() == text {
		return u
	}
	return &clean
}

// quoted returns s as %q prints it, without the quotes.
func quoted(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// maxErrors bounds the search through a tree of errors.
const maxErrors = 100

// urlErrors yields the *url.Errors in the tree of err.
func urlErrors(err error) func(yield func(*url.Error) bool) {
	return func(yield func(*url.Error) bool) {
		queue := []error{err}
		for i := 0; i < len(queue) && i < maxErrors; i++ {
			if u, ok := queue[i].(*url.Error); ok && !yield(u) { //nolint:errorlint // one by one
				return
			}
			switch e := queue[i].(type) { //nolint:errorlint // one by one
			case interface{ Unwrap() error }:
				if inner := e.Unwrap(); inner != nil {
					queue = append(queue, inner)
				}
			case interface{ Unwrap() []error }:
				for _, inner := range e.Unwrap() {
					if inner != nil {
						queue = append(queue, inner)
					}
				}
			}
		}
	}
}

// redactedError is an error with another text.
type redactedError struct {
	err     error
	text    string
	secrets []string
}

// Error returns the text without secrets.
func (e *redactedError) Error() string { return e.text }

// Format keeps every verb from looking inside.
func (e *redactedError) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = io.WriteString(f, strconv.Quote(e.text))
		return
	}
	_, _ = io.WriteString(f, e.text)
}

// Is asks the error behind.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// As asks the error behind, and makes a copy of a *url.Error.
func (e *redactedError) As(target any) bool {
	if !errors.As(e.err, target) {
		return false
	}
	if u, ok := target.(**url.Error); ok {
		*u = redactURLError(*u, e.secrets)
	}
	return true
}

// Timeout and Temporary are asked for without errors.As by url.Error.
func (e *redactedError) Timeout() bool { return timedOut(e.err) }

// Temporary is the deprecated half of net.Error.
func (e *redactedError) Temporary() bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](e.err)
	return ok && t.Temporary()
}

// redactURL returns raw without userinfo and fragment, and with the values of
// its query redacted. What does not parse has no query any more.
func redactURL(raw string) string {
	if !strings.ContainsAny(raw, "?@#") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		before, _, _ := strings.Cut(raw, "?")
		if at := strings.LastIndexByte(before, '@'); at >= 0 {
			return redacted + before[at:]
		}
		return before
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.RawQuery == "" {
		return u.String()
	}
	pairs := strings.Split(u.RawQuery, "&")
	for i, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			pairs[i] = name + "=" + redacted
		}
	}
	u.RawQuery = strings.Join(pairs, "&")
	return u.String()
}

// minScrub is the length of the shortest secret that is looked for in texts:
// shorter ones would be found everywhere.
const minScrub = 4

// scrub replaces what is in secrets.
func scrub(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= minScrub {
			text = strings.ReplaceAll(text, s, redacted)
		}
	}
	return text
}

// added returns the credentials that sent has and base does not, the longest
// first.
func added(base, sent *http.Request) []string {
	var found []string
	add := func(s string) {
		if s != "" {
			found = append(found, s, quoted(s), url.QueryEscape(s), url.PathEscape(s))
		}
	}
	for name, values := range sent.Header {
		for _, v := range values {
			if slices.Contains(base.Header[name], v) {
				continue
			}
			add(v)
			for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ' ' || r == ';' || r == ',' }) {
				if name == "Cookie" && slices.ContainsFunc(base.Header[name], func(s string) bool { return strings.Contains(s, part) }) {
					continue
				}
				add(part)
				if _, value, ok := strings.Cut(part, "="); ok {
					add(strings.Trim(value, `"`))
				}
			}
		}
	}
	if sent.URL != nil && base.URL != nil && sent.URL.RawQuery != base.URL.RawQuery {
		before := strings.Split(base.URL.RawQuery, "&")
		for pair := range strings.SplitSeq(sent.URL.RawQuery, "&") {
			if slices.Contains(before, pair) {
				continue
			}
			_, value, _ := strings.Cut(pair, "=")
			add(value)
			if plain, err := url.QueryUnescape(value); err == nil {
				add(plain)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(found)
}
