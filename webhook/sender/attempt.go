package sender

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/callback"
	"github.com/holdfast-go/holdfast/internal/header"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

const (
	// lookupWait is until when an endpoint waits that could not be had, or whose
	// keys are none.
	lookupWait = 10 * time.Second
	// probeWait is until when an endpoint waits whose circuit does not say.
	probeWait = time.Second
	// throttleWait is until when an endpoint waits that has said 429 and no more.
	throttleWait = time.Minute
)

// result is what came of an attempt.
type result struct {
	lookup  bool     // err is of our side: the endpoint, or its keys, could not be had
	origin  string   // empty if there was no URL
	secrets []string // what of the URL must not be shown
	status  int
	wait    time.Duration // the Retry-After
	asked   bool          // there was one
	err     error         // nil for a 2xx
}

// delivered reports whether the endpoint has taken the message.
func (r *result) delivered() bool { return r.status/100 == 2 }

// attempt makes one attempt, and decides what becomes of the message. Much of
// that is funcs of the program's: Config.Endpoint, the transport, the schedule,
// the hooks of the circuits, and the methods of their errors.
func (s *Sender) attempt(ctx context.Context, c *Claim) (r result, o Outcome) {
	fault := callback.Run(func() {
		s.try(ctx, c, &r)
		o = s.outcome(c, &r, s.config.Backoff)
		if r.err != nil {
			_ = r.err.Error() // that of a nil pointer panics
		}
	})
	if fault != nil {
		r.err = hide(errorOf(fault), r.secrets...)
		o = s.outcome(c, &r, StandardSchedule())
	}
	return r, o
}

// try makes one attempt.
func (s *Sender) try(ctx context.Context, c *Claim, r *result) {
	r.lookup = true
	attempt, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, ErrTimeout)
	defer cancel()
	endpoint, err := s.config.Endpoint(attempt, c.Endpoint)
	if err != nil {
		if errors.Is(context.Cause(attempt), ErrDraining) {
			err = ErrDraining // and not a fault of the endpoint, whatever Endpoint makes of it
		}
		r.err = err
		return
	}
	u, err := s.config.Guard.CheckURL(endpoint.URL)
	if err != nil {
		r.lookup, r.err = false, err
		return
	}
	signers, err := parseKeys(endpoint.Keys, time.Now())
	if err != nil {
		r.err = err
		return
	}
	r.lookup, r.secrets = false, secretParts(u)
	req, err := s.request(attempt, c, u.String(), signers)
	if err != nil {
		r.err = &URLError{Reason: "makes no request"}
		return
	}
	r.origin = httpx.Origin(req).String()
	// The circuit gets the context without the timeout, whose end is a failure.
	err = s.config.Circuits.Do(ctx, c.Endpoint, func(context.Context) error { return s.send(req, r) })
	if refused, ok := errors.AsType[*breaker.OpenError](err); ok {
		r.err = refused
	}
}

// request makes the request of an attempt: a new timestamp and new signatures,
// and nothing but what is in the message and in the configuration.
func (s *Sender) request(ctx context.Context, c *Claim, address string, signers []signer) (*http.Request, error) {
	timestamp := time.Now().Unix()
	signatures := make([]string, len(signers))
	for i, sign := range signers {
		signatures[i] = sign(c.ID, timestamp, c.Body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Content-Type":      {c.ContentType},
		"User-Agent":        {s.config.UserAgent},
		"Webhook-Id":        {c.ID},
		"Webhook-Timestamp": {strconv.FormatInt(timestamp, 10)},
		"Webhook-Signature": {strings.Join(signatures, " ")},
	}
	return req, nil
}

// send sends a request, fills in r, and returns what the circuit is to know. It
// goes to a RoundTripper and not to a Client, which would follow redirects.
func (s *Sender) send(req *http.Request, r *result) error {
	resp, err := s.config.DangerouslyTransport.RoundTrip(req) //nolint:bodyclose // Discard closes it
	if err != nil {
		if cause := context.Cause(req.Context()); cause != nil && !errors.Is(err, ErrBlocked) {
			err = cause
		}
		r.err = hide(err, r.secrets...)
		return r.err
	}
	r.status = resp.StatusCode
	httpx.Discard(resp)
	if r.delivered() {
		return nil
	}
	r.wait, r.asked = header.RetryAfter(resp.Header, time.Now)
	r.err = &StatusError{Status: r.status, Wait: r.wait}
	if r.status >= http.StatusInternalServerError {
		return r.err
	}
	return nil
}

// secretParts returns what of a URL must not be shown, the longest first.
func secretParts(u *url.URL) []string {
	parts := []string{u.String(), u.RequestURI(), u.RawQuery, u.EscapedPath(), u.Path}
	for name, values := range u.Query() {
		parts = append(append(parts, name), values...)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	return parts
}

// outcome is how the lease ends after a result.
func (s *Sender) outcome(c *Claim, r *result, schedule func() backoff.BackOff) Outcome {
	now := time.Now()
	refused, open := errors.AsType[*breaker.OpenError](r.err)
	_, badURL := errors.AsType[*URLError](r.err)
	switch {
	case r.delivered(): // whatever has panicked after it
		return Outcome{State: Done, Verdict: Success}
	case errors.Is(r.err, ErrDraining):
		return Outcome{State: Pending, Due: c.Due, GivenBack: true}
	case open:
		// The endpoint waits, here and below, and not the message: or each of its
		// messages would have to be claimed to learn the same.
		return Outcome{State: Pending, Due: c.Due, GivenBack: true, Pause: now.Add(max(refused.RetryAfter(), probeWait))}
	case r.lookup && errors.Is(r.err, ErrNoEndpoint):
		return Outcome{State: Dead}
	case r.lookup:
		return Outcome{State: Pending, Due: c.Due, GivenBack: true, Pause: now.Add(lookupWait)}
	case badURL || errors.Is(r.err, ErrBlocked):
		return Outcome{State: Dead, Verdict: Failure}
	}
	o := Outcome{State: Dead, Verdict: Failure, Pause: pauseAfter(r, now)}
	if c.Attempt >= max(1, s.config.MaxAttempts) {
		return o
	}
	delay := delayAfter(c.Attempt, schedule)
	if delay == backoff.Stop {
		return o
	}
	if r.asked {
		delay = wish(r.wait, delay)
	}
	o.State, o.Due = Pending, now.Add(delay)
	return o
}

// pauseAfter is until when an endpoint wants to be left alone, zero if it does
// not say.
func pauseAfter(r *result, now time.Time) time.Time {
	switch {
	case r.status == http.StatusTooManyRequests && !r.asked:
		return now.Add(throttleWait)
	case r.asked && (r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable):
		return now.Add(min(r.wait, maxWait))
	}
	return time.Time{}
}

// shouldDisable returns why an endpoint is to be disabled, "" if it is not.
func (s *Sender) shouldDisable(r *result, o *Outcome, h *Health) string {
	switch {
	case o.Verdict != Failure || !h.DisabledAt.IsZero():
		return ""
	case r.status == http.StatusGone:
		return "it has answered 410 Gone"
	case s.config.DisableAfter < 0 || h.Failures < s.config.DisableFailures:
		return ""
	case time.Since(h.FailingSince) < s.config.DisableAfter:
		return ""
	}
	return strconv.Itoa(h.Failures) + " attempts in a row have failed"
}

// maxReason is how much of a text is stored, in bytes.
const maxReason = 1 << 10

func cut(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.ValidString(text) && len(text) > maxReason-utf8.UTFMax {
			text = text[:len(text)-1]
		}
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
