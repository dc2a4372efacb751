package ratelimit

import (
	"bytes"
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
// when it sends no Retry-After.
const secondaryWait = time.Minute

// reasons are the words by which bodies say that a limit was the reason. Whatever
// else a body says is not repeated: it may be anything.
var reasons = [...]string{
	"userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", // Google
	"RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", // Google
	"REQUEST_LIMIT_EXCEEDED",                      // Salesforce
	"RATE_LIMITED", "RATELIMITED", "rate_limited", // GitHub, Linear, Slack, Notion
	"RATE_LIMITS",                          // HubSpot
	"rate_limit_error", "overloaded_error", // Anthropic
	"rate_limit_exceeded", "insufficient_quota", // OpenAI
	"rate_limit", "lock_timeout", // Stripe
	"too_many_requests", "too_many_write_operations", // Dropbox
	"THROTTLED",                                    // Shopify
	"quota-exceeded", "temporary-reduced-capacity", // the IETF draft's problem types
	"abnormal-usage-detected",
}

// body reads what the beginning of a JSON body says: the names of the policies
// that were violated, a reason that is well known, and, if the header had no
// wait, that of the body. A part that makes no sense ends the reading.
func (r *reader) body(start []byte) {
	d := json.NewDecoder(bytes.NewReader(start))
	d.UseNumber()
	b := bodyReader{signal: r.signal, json: d, wait: -1}
	_ = b.value("", 0) // what was read until then counts
	s := r.signal
	s.Throttled = s.Throttled || b.throttled
	if s.RetryAfter < 0 {
		s.RetryAfter = b.wait
	}
}

// bodyReader walks over a body.
type bodyReader struct {
	signal    *Signal
	json      *json.Decoder
	throttled bool
	wait      time.Duration
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
		if key == "global" && t && b.signal.Scope == "" {
			b.signal.Scope = "global"
		}
		return
	}
	switch key {
	case "retry_after", "retry_after_seconds":
		b.ask(text, header.Seconds)
	case "retryDelay":
		b.ask(text, header.GoDuration)
	case "violated-policies":
		if s := b.signal; len(s.Violated) < maxViolated && len(text) <= maxPolicy && text != "" {
			s.Violated = append(s.Violated, text)
		}
	case "policyName", "rate_limit_reason":
		if isWord(text) {
			b.because(text)
		}
	case "reason", "code", "errorCode", "error", "errorType", "status", "type", ".tag":
		b.known(text)
	case "message", "documentation_url":
		b.message(text)
	}
}

// ask takes up a wait.
func (b *bodyReader) ask(text string, as header.Form) {
	if w, ok := header.ParseWhen(text, as); ok && w.At.IsZero() {
		b.wait = max(b.wait, cut(w.In))
	}
}

// because notes the first reason.
func (b *bodyReader) because(reason string) {
	b.throttled = true
	if b.signal.Reason == "" {
		b.signal.Reason = reason
	}
}

// known takes up a word if it is one of the reasons, or a problem type that
// ends in one.
func (b *bodyReader) known(text string) {
	if i := strings.LastIndexAny(text, "#/"); i >= 0 {
		text = text[i+1:]
	}
	if i := slices.IndexFunc(reasons[:], func(reason string) bool { return strings.EqualFold(reason, text) }); i >= 0 {
		b.because(reasons[i])
	}
}

// message looks for the words by which GitHub tells its limits from a lack of
// permission: it gives no other sign.
func (b *bodyReader) message(text string) {
	text = strings.ToLower(text)
	switch {
	case strings.Contains(text, "secondary rate limit"), strings.Contains(text, "secondary-rate-limits"),
		strings.Contains(text, "abuse detection"):
		b.because("secondary-rate-limit")
		b.wait = max(b.wait, secondaryWait)
	case strings.Contains(text, "api rate limit exceeded"):
		b.because("rate-limit-exceeded")
	}
}
