package ratelimit

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// words is room for what an answer says, used again and again.
type words struct {
	signal Signal
	quotas []pace.Quota
}

// learn takes notice of an answer that may have something to say.
func (l *Limiter) learn(t *turn, resp *http.Response) {
	checked, asked := false, time.Duration(0)
	if l.config.Check != nil {
		if err := l.config.Check(resp); err != nil {
			checked, asked = true, httpx.RetryAfter(err)
		}
	}
	throttled := false
	if l.parser == nil {
		throttled = l.obey(t, resp, checked, asked)
	} else {
		throttled = l.listen(t, resp, checked, asked)
	}
	if l.config.adapts() {
		l.tell(t.bucket, t.bucket.adapt(t.need.flight.since, throttled))
	}
}

// obey is what is left of learning when quotas are ignored: Retry-After. It
// reports whether the request was throttled.
func (l *Limiter) obey(t *turn, resp *http.Response, checked bool, asked time.Duration) bool {
	if asked == 0 && (checked || throttling(resp)) {
		asked, _ = header.RetryAfter(resp.Header, time.Now)
	}
	switch {
	case !t.strayed(resp):
		l.hold(t.bucket, &t.need, resp.StatusCode, asked)
	case asked > 0:
		l.elsewhere(resp, func(b *bucket) { l.hold(b, t.need.stranger(), resp.StatusCode, asked) })
	}
	// A 503 that asks for nothing is trouble, not a limit.
	return checked || asked > 0 || resp.StatusCode == http.StatusTooManyRequests
}

// throttling reports whether the status of resp may ask for a pause.
func throttling(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
}

// listen reads an answer and tells the bucket that it is about. It reports
// whether the request was throttled.
func (l *Limiter) listen(t *turn, resp *http.Response, checked bool, asked time.Duration) bool {
	w := l.words.Get().(*words)
	s := &w.signal
	l.parser.hear(t.bucket, t.need.flight.since, resp, s)
	if len(s.Malformed) > 0 && l.config.Hooks.Malformed != nil {
		fields := slices.Clone(s.Malformed)
		for i := range fields {
			fields[i] = strings.Clone(fields[i])
		}
		l.config.Hooks.Malformed(Malformed{Key: t.bucket.key.String(), Fields: fields})
	}
	throttled := s.Throttled || checked
	answer := pace.Answer{Throttled: throttled && l.config.MaxRetryAfter >= 0, RetryAfter: asked}
	if asked == 0 && throttled {
		answer.RetryAfter = w.retryAfter(resp)
	}
	if trouble := resp.StatusCode == http.StatusServiceUnavailable && s.Reason == "" && !checked; trouble && !t.strayed(resp) {
		// It says when to come back and nothing of how fast: what comes then
		// need not feel its way, and the next one is no sign that it did not
		// wait for long enough.
		l.hold(t.bucket, &t.need, resp.StatusCode, answer.RetryAfter)
		answer = pace.Answer{}
	}
	w.read(resp)
	cached := header.Cached(resp.Header)
	if len(w.quotas) > 0 || answer.Throttled {
		l.hearAll(t, resp, w, answer)
	}
	if cost := s.Cost; cost >= 0 && t.priced && l.config.Cost == nil {
		t.bucket.settle(&t.need, cost)
	}
	if cached && !throttled {
		t.land(pace.Free) // it never came to the server
	}
	l.words.Put(w)
	return throttled
}

// retryAfter is the wait that a throttled request was asked for, beside that of
// the quotas, or 0.
func (w *words) retryAfter(resp *http.Response) time.Duration {
	s := &w.signal
	if !s.Throttled { // only Check knows
		d, _ := header.RetryAfter(resp.Header, time.Now)
		return d
	}
	if s.RetryAfter < 0 && len(s.Violated) > 0 {
		return max(0, s.Wait())
	}
	return max(0, s.RetryAfter)
}

// read takes over the quotas that count: not those of calls under way, and none
// of a redirect that says that nothing is left, which the draft warns of.
func (w *words) read(resp *http.Response) {
	w.quotas = w.quotas[:0]
	redirect := resp.StatusCode >= 300 && resp.StatusCode < 400
	if redirect && w.signal.exhausted() {
		return
	}
	for i := range w.signal.Quotas {
		if q := &w.signal.Quotas[i]; q.Unit != Concurrent {
			w.quotas = append(w.quotas, pace.Quota{
				Policy: q.Policy, Resource: q.Resource, Partition: q.Partition, Unit: pace.Unit(q.Unit),
				Limit: q.Limit, Remaining: q.Remaining, Used: q.Used,
				Window: q.Window, ResetIn: q.ResetIn, FillRate: q.FillRate,
			})
		}
	}
}

// everywhere reports whether a throttle is for all parts of the key.
func (s *Signal) everywhere() bool {
	return strings.EqualFold(s.Scope, "global") || s.Reason == secondary
}

// hearAll tells the buckets that an answer is about: that of the part, if it
// names one or the route has one, and else that of the key.
func (l *Limiter) hearAll(t *turn, resp *http.Response, w *words, answer pace.Answer) {
	if t.strayed(resp) {
		l.elsewhere(resp, func(b *bucket) { l.spread(b, resp.StatusCode, b.hear(t.need.stranger(), w.quotas, answer)) })
		return
	}
	part := t.bucket.partOf(l.route(t.req), w.signal.part())
	if part == nil {
		l.spread(t.bucket, resp.StatusCode, t.bucket.hear(&t.need, w.quotas, answer))
		return
	}
	if answer.Throttled && w.signal.everywhere() {
		l.spread(t.bucket, resp.StatusCode, t.bucket.hear(&t.need, nil, answer))
		answer = pace.Answer{}
	}
	if part == t.part {
		l.spread(part, resp.StatusCode, part.hear(&t.inPart, w.quotas, answer))
		return
	}
	l.spread(part, resp.StatusCode, part.hear(t.need.stranger(), w.quotas, answer))
	if t.part != nil {
		t.part.land(&t.inPart, pace.Free)
	}
}

// strayed reports whether the answer comes from another host than was asked: a
// transport below has followed a redirect.
func (t *turn) strayed(resp *http.Response) bool {
	final := resp.Request
	return final != nil && final != t.req && final.URL != nil && t.req.URL != nil && final.URL.Host != t.req.URL.Host
}

// elsewhere tells the bucket of the host that has answered.
func (l *Limiter) elsewhere(resp *http.Response, tell func(*bucket)) {
	if l.config.Key != nil || l.config.Credential != nil {
		return // which are functions of requests that the caller makes
	}
	entry := l.buckets.Acquire(httpx.Origin(resp.Request), l.recently())
	defer l.buckets.Release(entry)
	tell(entry.Value())
}

// spread tells the hooks what an answer has changed.
func (l *Limiter) spread(b *bucket, status int, n news) {
	if n.hold > 0 && l.config.Hooks.Hold != nil {
		l.config.Hooks.Hold(Hold{Key: b.key.String(), Status: status, For: n.hold})
	}
	if n.plan.Key != "" {
		l.config.Hooks.Plan(n.plan)
	}
	l.tell(b, n.replan)
}

// hold holds the key of b if the answer to n asks for it.
func (l *Limiter) hold(b *bucket, n *need, status int, asked time.Duration) {
	switch longest := l.config.MaxRetryAfter; {
	case asked <= 0 || longest < 0:
		return
	case asked > longest:
		// Who waits is told, and one asks now and then.
		l.spread(b, status, b.hear(n, nil, pace.Answer{Throttled: true, RetryAfter: asked}))
		return
	}
	told := b.hold(asked)
	if l.config.Hooks.Hold != nil {
		l.config.Hooks.Hold(Hold{Key: b.key.String(), Status: status, For: asked})
	}
	l.tell(b, told)
}

// tell tells the hook of a new plan, if anybody waits whom it concerns.
func (l *Limiter) tell(b *bucket, told Replan) {
	if hook := l.config.Hooks.Replan; hook != nil && told.Waiting > 0 {
		told.Key = b.key.String()
		hook(told)
	}
}

// route names the route of a request within its key.
func (l *Limiter) route(req *http.Request) string {
	name := ""
	switch {
	case l.config.Route != nil:
		name = l.config.Route(req)
	case req.URL != nil:
		name = defaultRoute(req.URL.Path)
	}
	return name[:min(len(name), maxRoute)]
}
