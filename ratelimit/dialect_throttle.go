package ratelimit

import (
	"mime"
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
	media := r.media()
	s.Throttled = sure || asked || s.exhausted() ||
		r.grammar.mute && status == http.StatusForbidden && !isJSON(media)
	if asked {
		s.RetryAfter = wait
	}
	if isJSON(media) && (!s.Throttled || !asked || media == problemJSON) && r.plain() {
		r.body(httpx.Peek(r.resp, maxPeek))
	}
	if !s.Throttled {
		s.RetryAfter, s.Violated = -1, s.Violated[:0]
	}
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
	for _, f := range r.grammar.waits {
		if d := r.when(f.field, f.as); d >= 0 {
			return d, true
		}
	}
	d, ok := header.RetryAfter(r.header, func() time.Time { return r.now })
	if !ok {
		for _, name := range [...]string{"Retry-After", "Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
			if len(r.header[name]) > 0 {
				r.signal.malformed(name)
			}
		}
		return 0, false
	}
	return cut(d), true
}

const problemJSON = "application/problem+json" // RFC 9457

// media returns the media type of the body.
func (r *reader) media() string {
	// The type is right even if a parameter is not.
	media, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return media
}

func isJSON(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// plain reports whether the body is readable as it is.
func (r *reader) plain() bool {
	coding := r.header.Get("Content-Encoding")
	return coding == "" || strings.EqualFold(coding, "identity")
}
