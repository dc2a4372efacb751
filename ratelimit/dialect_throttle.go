package ratelimit

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// statusOverloaded is what Notion, Anthropic and others answer when they have
// too much to do, in place of a 503.
const statusOverloaded = 529

// retryAfterFields are what [header.RetryAfter] reads.
var retryAfterFields = [...]string{"Retry-After", "Retry-After-Ms", "X-Ms-Retry-After-Ms"}

// throttle finds out whether the request was throttled, and for how long.
func (r *reader) throttle() {
	s, status := r.signal, r.resp.StatusCode
	sure := status == http.StatusTooManyRequests || status == statusOverloaded || slices.Contains(r.grammar.statuses, status)
	// Those that may mean something else.
	maybe := status == http.StatusForbidden || status == http.StatusServiceUnavailable
	if !sure && !maybe {
		return
	}
	wait, asked := r.wait()
	s.Throttled = sure || asked || s.exhausted() || r.grammar.mute && status == http.StatusForbidden && !isJSON(r.media())
	if asked {
		s.RetryAfter = wait
	}
	if httpx.HasBody(r.resp) && r.mayTell(asked) {
		said := r.body(httpx.Peek(r.resp, maxPeek))
		if r.asked != nil {
			r.asked.told(r.resp, r.since, said)
		}
	}
	if !s.Throttled {
		s.RetryAfter, s.Violated = -1, s.Violated[:0]
	}
}

// mayTell reports whether the body may tell more than the header, in which a
// wait was asked for or not.
func (r *reader) mayTell(asked bool) bool {
	if r.asked != nil && !r.asked.mayTell(r.resp, r.since) {
		return false
	}
	media := r.media()
	return isJSON(media) && (!r.signal.Throttled || !asked || strings.EqualFold(media, problemJSON)) && r.plain()
}

// exhausted reports whether a quota has nothing left.
func (s *Signal) exhausted() bool {
	for i := range s.Quotas {
		if s.Quotas[i].exhausted() {
			return true
		}
	}
	return false
}

// wait reads the wait that the header asks for.
func (r *reader) wait() (time.Duration, bool) {
	if !r.present.mayMeet(&r.grammar.pauses) {
		return 0, false
	}
	for _, f := range r.grammar.waits {
		if d := r.when(f.field, f.as); d >= 0 {
			return d, true
		}
	}
	d, ok := header.RetryAfter(r.header, r.time)
	if !ok {
		for _, name := range retryAfterFields {
			if len(r.header[name]) > 0 {
				r.signal.malformed(name)
			}
		}
		return 0, false
	}
	return cut(d), true
}

const problemJSON = "application/problem+json" // RFC 9457

// media returns the media type of the body, in any case.
func (r *reader) media() string {
	// The type is right even if a parameter is not.
	media, _, _ := strings.Cut(r.first("Content-Type"), ";")
	return strings.Trim(media, " \t")
}

func isJSON(media string) bool {
	const suffix = "+json"
	return strings.EqualFold(media, "application/json") ||
		len(media) > len(suffix) && strings.EqualFold(media[len(media)-len(suffix):], suffix)
}

// plain reports whether the body is readable as it is.
func (r *reader) plain() bool {
	coding := r.first("Content-Encoding")
	return coding == "" || strings.EqualFold(coding, "identity")
}

// first returns the first value of a field, whose name is in its canonical form.
func (r *reader) first(name string) string {
	if values := r.header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
