package fallback

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-go/holdfast/internal/header"
)

// Answer is one way to answer a call that has failed. [Static], [Func], [To] and
// [LastGood] make one; the zero value is not usable. An Answer is immutable and
// safe for concurrent use. Mistakes in what it was made of are reported by [New].
type Answer struct {
	name   string
	source source
	when   func(*http.Request) bool // nil means always
	err    error
}

// source is where an answer comes from.
type source interface {
	// answer returns a response that belongs to the caller, or nil if there is
	// none to offer.
	answer(c *call) (*http.Response, error)
}

// Named returns a copy of a with another name: that which the header field
// [Header], hooks and snapshots show. A name is a token (RFC 9110, section
// 5.6.2), such as "empty-cart". Without it an Answer is called after its maker:
// "static", "func", "to" or "last-good".
func (a Answer) Named(name string) Answer {
	a.name = name
	return a
}

// When returns a copy of a that has nothing to offer unless cond holds. An
// Answer that has conditions already needs all of them. It is called on the
// goroutine of the call with the caller's request, which it must only read,
// leaving the body alone: for [LastGood] after each call that succeeds, as
// answers that it may not serve are not remembered, and for any Answer after a
// failure. It must be safe for concurrent use.
func (a Answer) When(cond func(*http.Request) bool) Answer {
	before := a.when
	switch {
	case cond == nil:
		a.err = errors.Join(a.err, errors.New("the condition of When is nil"))
	case before == nil:
		a.when = cond
	default:
		a.when = func(req *http.Request) bool { return before(req) && cond(req) }
	}
	return a
}

// covers reports whether the conditions of a hold for req.
func (a Answer) covers(req *http.Request) bool { return a.when == nil || a.when(req) }

// validate returns what is wrong with a.
func (a Answer) validate() error {
	if a.source == nil {
		return errors.New("the zero Answer is not usable")
	}
	if !header.IsToken(a.name) {
		return errors.Join(a.err, fmt.Errorf("the name %q is not a token (RFC 9110, section 5.6.2)", a.name))
	}
	return a.err
}
