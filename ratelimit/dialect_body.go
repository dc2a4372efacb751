package ratelimit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

const (
	// maxPeek is how much of a body is looked at.
	maxPeek = 8 << 10
	// maxDepth is how deep objects and lists may lie in one another.
	maxDepth = 6
	// maxViolated is how many policies a problem may name.
	maxViolated = 16
)

// secondaryWait is the least that GitHub demands after its secondary limits
// when it sends no Retry-After and the primary limit has something left.
const secondaryWait = time.Minute

// secondary is the Reason of those limits.
const secondary = "secondary-rate-limit"

// reasons are the words, in any case, by which bodies say that a limit was the
// reason. Whatever else a body says is not repeated: it may be anything. Each has
// one of the stems in it.
var reasons = [...]string{
	"userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", // Google
	"RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", // Google, OpenAI
	"REQUEST_LIMIT_EXCEEDED",      // Salesforce
	"RATE_LIMITED", "RATELIMITED", // GitHub, Notion; Linear, Slack
	"RATE_LIMIT", "RATE_LIMITS", // Stripe, HubSpot
	"rate_limit_error", "overloaded_error", // Anthropic
	"insufficient_quota",                             // OpenAI
	"too_many_requests", "too_many_write_operations", // Dropbox
	"THROTTLED",                                                               // Shopify
	"quota-exceeded", "temporary-reduced-capacity", "abnormal-usage-detected", // IETF
}

// stems are in all that a body can say about limits, in lower case: the keys
// of [bodyReader.leaf], the reasons and the words of a message.
var stems = [...]string{
	"abnormal-usage", "abuse detection", "capacity", "exhausted", "global", "limit", "overloaded_error",
	"policies", "policyname", "quota", "retry", "throttled", "too_many",
}

// promising reports whether a body may say anything about limits. To decode one
// takes far longer, and most refusals are about something else.
func promising(start []byte) bool {
	for i, c := range start {
		switch c | 0x20 { // in lower case
		case 'a', 'c', 'e', 'g', 'l', 'o', 'p', 'q', 'r', 't':
			if slices.ContainsFunc(stems[:], func(stem string) bool { return beginsWith(start[i:], stem) }) {
				return true
			}
		}
	}
	return bytes.Contains(start, []byte(`\u`)) // any letter can be written so
}

// beginsWith reports whether text begins with stem, in any case of its ASCII
// letters.
func beginsWith[T []byte | string](text T, stem string) bool {
	if len(text) < len(stem) {
		return false
	}
	for i := range len(stem) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != stem[i] {
			return false
		}
	}
	return true
}

// body reads what the beginning of a JSON body says: the names of the policies
// that were violated, a reason that is well known, and, if the header had no
// wait, that of the body. A part that makes no sense ends the reading. It
// reports whether anything was said.
func (r *reader) body(start []byte) bool {
	if !promising(start) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(start))
	d.UseNumber()
	b := bodyReader{signal: r.signal, json: d, wait: -1}
	_ = b.value("", 0) // what was read until then counts
	s := r.signal
	s.Throttled = s.Throttled || b.throttled
	switch {
	case s.RetryAfter >= 0:
	case b.wait < 0 && b.secondary && !s.exhausted():
		s.RetryAfter = secondaryWait
	default:
		s.RetryAfter = b.wait
	}
	if b.global && s.Scope == "" && s.Throttled {
		s.Scope = "global"
	}
	if s.Reason == "" && s.Throttled {
		s.Reason = cmp.Or(b.detail, b.reason)
	}
	return b.throttled || b.global || len(s.Violated) > 0
}

// bodyReader walks over a body.
type bodyReader struct {
	signal    *Signal
	json      *json.Decoder
	throttled bool
	secondary bool // GitHub's secondary limits
	global    bool
	wait      time.Duration
	reason    string // in general
	detail    string // which of the limits
}

// errDeep ends the reading of a body that is nested too deeply.
var errDeep = errors.New("ratelimit: body nested too deeply")

// value reads one value, which belongs to key.
func (b *bodyReader) value(key string, depth int) error {
	token, err := b.json.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		b.leaf(key, token)
		return nil
	}
	if depth == maxDepth {
		return errDeep
	}
	for b.json.More() {
		inner := key
		if delim == '{' {
			if token, err = b.json.Token(); err != nil {
				return err
			}
			inner, _ = token.(string)
		}
		if err := b.value(inner, depth+1); err != nil {
			return err
		}
	}
	_, err = b.json.Token()
	return err
}

// leaf takes up a string, number or boolean.
func (b *bodyReader) leaf(key string, token json.Token) {
	var text string
	switch t := token.(type) {
	case string:
		text = t
	case json.Number:
		text = t.String()
	case bool:
		b.global = b.global || key == "global" && t
		return
	}
	switch key {
	case "retry_after", "retry_after_seconds":
		b.ask(text, header.Seconds)
	case "retryDelay":
		b.ask(text, header.GoDuration)
	case "violated-policies":
		b.violated(text)
	case "policyName":
		// HubSpot's; elsewhere it may be one that forbids.
		if isWord(text) {
			b.violated(text)
			b.detail = text
		}
	case "rate_limit_reason":
		if isWord(text) {
			b.throttled, b.detail = true, text
		}
	case "reason", "code", "errorCode", "error", "errorType", "status", "type", ".tag":
		b.known(text)
	case "message", "documentation_url":
		b.message(text)
	}
}

// ask takes up a wait. Who asks for one has no lack of permission in mind.
func (b *bodyReader) ask(text string, as header.Form) {
	if w, ok := header.ParseWhen(text, as); ok && w.At.IsZero() {
		b.wait, b.throttled = max(b.wait, cut(w.In)), true
	}
}

// violated notes the name of a policy.
func (b *bodyReader) violated(policy string) {
	if s := b.signal; len(s.Violated) < maxViolated && len(policy) <= maxPolicy && policy != "" {
		s.Violated = append(s.Violated, policy)
	}
}

// because notes the first word that says that a limit was the reason.
func (b *bodyReader) because(reason string) {
	b.throttled = true
	if b.reason == "" {
		b.reason = reason
	}
}

// known takes up a word if it is one of the reasons, or a problem type that
// ends in one.
func (b *bodyReader) known(text string) {
	if i := strings.LastIndexAny(text, "#/"); i >= 0 {
		text = text[i+1:]
	}
	if isWord(text) && slices.ContainsFunc(reasons[:], func(reason string) bool { return strings.EqualFold(reason, text) }) {
		b.because(text)
	}
}

// message looks for the words by which GitHub tells its limits from a lack of
// permission: it gives no other sign.
func (b *bodyReader) message(text string) {
	switch {
	case contains(text, "secondary rate limit"), contains(text, "secondary-rate-limits"), contains(text, "abuse detection"):
		b.because(secondary)
		b.secondary = true
	case contains(text, "api rate limit exceeded"):
		b.because("rate-limit-exceeded")
	}
}

// contains reports whether text contains stem, in any case of its ASCII
// letters.
func contains(text, stem string) bool {
	for i := range text {
		if beginsWith(text[i:], stem) {
			return true
		}
	}
	return false
}
