package webhook

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// The reasons of refusals that are none of the signature.
var (
	errNotTLS     = errors.New("webhook: the request did not come by TLS")
	errTooMany    = errors.New("webhook: too many requests")
	errFull       = errors.New("webhook: too many requests at once")
	errMethod     = errors.New("webhook: another method")
	errCompressed = errors.New("webhook: the body is compressed")
	errHandshake  = errors.New("webhook: not a handshake, or not ours")
	errSlow       = errors.New("webhook: the body took too long")
	errCutOff     = errors.New("webhook: the body was cut off")
)

// refusal is the body of all refusals.
const refusal = "refused\n"

// An answer is what is written to a provider, once, and what is told to Hooks.
type answer struct {
	w        http.ResponseWriter
	req      *http.Request
	receiver *Receiver
	start    time.Time
	body     []byte
	record   Record
	finished bool // the answer was written, or somebody else writes it
}

// write writes an answer.
func (a *answer) write(status int, contentType string, body []byte) {
	a.record.Status, a.finished = status, true
	h := a.w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if len(body) > 0 {
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	a.w.WriteHeader(status)
	if a.req.Method != http.MethodHead {
		_, _ = a.w.Write(body) // #nosec G705 -- plain text that harmless has passed, and nosniff
	}
}

// refuse answers without a reason, which only Hooks are told.
func (a *answer) refuse(status int, err error) {
	a.record.Err = err
	if a.req.ProtoMajor == 1 && (status == http.StatusRequestEntityTooLarge || status == http.StatusRequestTimeout) {
		a.w.Header().Set("Connection", "close") // the rest of the body is not worth reading
	}
	a.write(status, "text/plain; charset=utf-8", []byte(refusal))
}

// The bounds of Retry-After.
const (
	minRetryAfter = time.Second
	maxRetryAfter = 24 * time.Hour
)

// busy refuses for a time, in seconds rounded up.
func (a *answer) busy(status int, wait time.Duration, err error) {
	wait = min(max(wait, minRetryAfter), maxRetryAfter)
	a.w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
	a.refuse(status, err)
}

// verified notes what a good signature has proved.
func (a *answer) verified(v *Verified) {
	a.record.KeyID = v.KeyID
	if v.TimestampSigned {
		a.record.Skew = a.start.Sub(v.Timestamp)
	}
	a.receiver.keys.note(v, a.start)
}

// unverified answers for an error of the Verifier.
func (a *answer) unverified(err error) {
	if refused, ok := errors.AsType[*Error](err); ok {
		a.record.Skew = refused.Skew
	}
	if errors.Is(err, ErrKeys) {
		a.busy(http.StatusServiceUnavailable, retryAfter(err), err)
		return
	}
	a.refuse(http.StatusUnauthorized, err)
}

// fail answers for an error of the receiving func.
func (a *answer) fail(err error) {
	if wait := retryAfter(err); wait > 0 {
		a.busy(http.StatusServiceUnavailable, wait, err)
		return
	}
	a.refuse(http.StatusInternalServerError, err)
}

// retryAfter is the wait that an error asks for, 0 if it does not.
func retryAfter(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		return max(asks.RetryAfter(), minRetryAfter)
	}
	return 0
}

// reply answers as the scheme says.
func (a *answer) reply(r *Reply) {
	status := r.Status
	if status == 0 {
		status = http.StatusOK
		if len(r.Body) == 0 {
			status = http.StatusNoContent
		}
	}
	contentType := r.ContentType
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	a.write(status, contentType, r.Body)
}

// handOver leaves the answer to another handler.
func (a *answer) handOver() { a.finished = true }

// done tells Hooks. After a panic there is no answer to tell of.
func (a *answer) done() {
	done := a.receiver.config.Hooks.Done
	if done == nil || !a.finished {
		return
	}
	a.record.Source = a.receiver.config.Name
	a.record.Duration = time.Since(a.start)
	done(a.record)
}
