package ratelimit

import (
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// Dialect is how a server talks about its limits: a [Preset], such as [GitHub],
// or a [Custom] one. nil means [Auto].
type Dialect interface {
	// grammar returns what to read, or every mistake in the dialect.
	grammar() (*grammar, error)
}

// Parser reads what answers say about their server's limits. It never changes
// and is safe for concurrent use.
type Parser struct{ grammar *grammar }

// NewParser returns a Parser of the dialect d. Its error joins one error for
// each mistake in d; Auto and the other presets have none.
func NewParser(d Dialect) (*Parser, error) {
	if d == nil {
		d = Auto
	}
	g, err := d.grammar()
	if err != nil {
		return nil, err
	}
	g.complete()
	return &Parser{grammar: g}, nil
}

// Parse reads resp, which was received at now, and overwrites s with what it
// says. Nothing in resp can make it fail: a field that is malformed is ignored,
// changes nothing else, and is named in s.Malformed.
//
// Times that the server gives as dates are taken relative to the answer's own
// Date, if that is within an hour of now, so that a wrong clock on either side
// does not matter. Quotas in an answer that comes from a cache (Age is
// positive) are ignored, as are trailers.
//
// A 429 and a 529 are throttled. A 403 and a 503 are if there is evidence: a
// wait that is asked for, a quota that has nothing left, or a body that says so
// (not for every dialect the same; see the presets). Remaining quota is no
// evidence of the contrary: another limit may have refused the request.
//
// Only for those statuses, and only if the header leaves something open, Parse
// looks into the body: at most its first 8 KiB and what comes of it within 100
// ms, if it is JSON and not compressed. It puts back what it read: resp.Body
// then yields the same bytes, and the same error. It never reads the body of
// any other answer.
func (p *Parser) Parse(resp *http.Response, now time.Time, s *Signal) {
	s.reset()
	r := reader{grammar: p.grammar, resp: resp, header: resp.Header, now: now, signal: s}
	r.read()
}

// hear is Parse for an answer that was just received to a request of b, which was
// admitted at the time since.
func (p *Parser) hear(b *bucket, since time.Duration, resp *http.Response, s *Signal) {
	s.reset()
	r := reader{grammar: p.grammar, resp: resp, header: resp.Header, signal: s, asked: b, since: since}
	r.read()
}

// reader is one call of Parse or hear.
type reader struct {
	grammar  *grammar
	resp     *http.Response
	header   http.Header
	present  sketch    // the fields that are there
	prefixes bool      // one of them begins with a prefix of the grammar
	now      time.Time // unless asked is there
	server   time.Time // the server's clock, once it was asked for
	signal   *Signal
	asked    *bucket       // that knows which bodies are not worth a look; or nil
	since    time.Duration // when the request to it was admitted
}

// read reads all that the answer says.
func (r *reader) read() {
	r.look(r.header)
	r.quotas()
	r.words()
	r.throttle()
}

// time returns the time at which the answer was received.
func (r *reader) time() time.Time {
	if r.asked != nil {
		return time.Now() // seldom: to read the clock takes longer than most fields
	}
	return r.now
}

// quotas reads all quotas. What is read later is merged into what was read
// earlier, so the order is that of the grammar, never that of the header.
func (r *reader) quotas() {
	if r.present.may("Age") && header.Cached(r.header) {
		return
	}
	g := r.grammar
	for i := range g.structured {
		if f := &g.structured[i]; r.present.mayMeet(&f.told) {
			r.structured(f)
		}
	}
	for i := range g.quotas {
		if f := &g.quotas[i]; r.present.mayMeet(&f.told) {
			r.quota(f)
		}
	}
	r.lists()
	for _, name := range g.cost {
		if n, ok := r.count(name, larger); ok {
			r.signal.Cost = max(r.signal.Cost, n)
		}
	}
}

// words reads the names that servers give to things.
func (r *reader) words() {
	s, g := r.signal, r.grammar
	if !r.present.mayMeet(&g.words) {
		return
	}
	s.Bucket = r.word(g.bucket...)
	s.Reason = r.word(g.reason...)
	s.Scope = r.word(g.scope...)
	for _, name := range g.global {
		switch global := r.word(name); {
		case strings.EqualFold(global, "true"):
			s.Scope = "global"
		case global != "" && !strings.EqualFold(global, "false"):
			s.malformed(name)
		}
	}
}

// add takes up a quota that the field name told.
func (r *reader) add(q *Quota, name string) {
	if !r.signal.add(q) {
		r.signal.malformed(name)
	}
}

// resetIn returns how far w is away.
func (r *reader) resetIn(w header.When) time.Duration {
	if w.At.IsZero() {
		return cut(w.In)
	}
	if r.server.IsZero() {
		r.server = header.ServerTime(r.header, r.time())
	}
	return cut(w.From(r.server))
}

// maxWord is the longest name that a server may give to anything.
const maxWord = 128

// word returns the first of the fields that is there and one printable word.
func (r *reader) word(names ...string) string {
	for _, name := range names {
		values := r.values(name)
		if len(values) == 0 {
			continue
		}
		if word := strings.Trim(values[0], " \t"); len(values) == 1 && isWord(word) {
			return word
		}
		r.signal.malformed(name)
	}
	return ""
}

// isWord reports whether s is short, printable and without spaces.
func isWord(s string) bool {
	if s == "" || len(s) > maxWord {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
