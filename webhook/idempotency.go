package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// The defaults of [IdempotencyConfig].
const (
	DefaultMaxAnswer = 1 << 20
	DefaultKeep      = 24 * time.Hour
	DefaultLease     = time.Minute

	finishTimeout = 5 * time.Second
)

// IdempotencyConfig says how an [Idempotency] works.
type IdempotencyConfig struct {
	// Store remembers keys and answers. It must be set.
	Store IdempotencyStore

	// Methods are those that need a key. nil means POST and PATCH.
	Methods []string

	// Optional lets requests without a key through, as if this were not here.
	Optional bool

	// Scope says whose key it is: two callers may choose the same one, and must
	// not get each other's answers. nil means the Authorization field, which is
	// not enough for callers that are known by a cookie, by a certificate or by
	// another field: they would share one scope. It must be safe for concurrent
	// use.
	Scope func(*http.Request) string

	// MaxBody is the longest body of a request, which is read into memory; a
	// longer one is answered with 413. 0 means [DefaultMaxBody].
	MaxBody int64

	// MaxAnswer is the longest body of an answer that is remembered. A longer one
	// is passed on, and whoever repeats its request gets 409. 0 means
	// [DefaultMaxAnswer].
	MaxAnswer int64

	// Keep is how long an answer is remembered. 0 means [DefaultKeep].
	Keep time.Duration

	// Lease is how long a request may take. After that another with its key may
	// take its place, for the process may have died. 0 means [DefaultLease].
	Lease time.Duration

	// Failed, when not nil, is told of errors of the Store.
	Failed func(error)
}

// IdempotencyStore remembers which keys were used, and the answers. Its
// implementations must be safe for concurrent use and keep each method atomic:
// of several requests with one key, one gets the claim.
type IdempotencyStore interface {
	// Begin claims a key for lease. If it is not free, the Claim says what is
	// known of it.
	Begin(ctx context.Context, key string, fingerprint [sha256.Size]byte, lease time.Duration) (Claim, error)
	// Finish remembers an answer for a time, if token is that of the claim.
	Finish(ctx context.Context, key, token string, answer StoredAnswer, keep time.Duration) error
	// Abandon frees the key, if token is that of the claim.
	Abandon(ctx context.Context, key, token string) error
}

// Claim is what [IdempotencyStore.Begin] has found.
type Claim struct {
	// Token is that of a new claim, never used before. It is empty if the key was
	// not free.
	Token string
	// Fingerprint is that of the request which had the key first.
	Fingerprint [sha256.Size]byte
	// Answer is the answer to it; nil if it has not been answered yet.
	Answer *StoredAnswer
}

// StoredAnswer is an answer that is given again.
type StoredAnswer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
	// Lost says that the body was too long to be remembered.
	Lost bool `json:"lost,omitempty"`
}

// Idempotency is middleware for an API of one's own that makes it safe for
// clients to repeat a request: with the same Idempotency-Key it is done once,
// and answered alike (draft-ietf-httpapi-idempotency-key-header-07).
//
//	400  there is no key, or none that can be read
//	409  the first request with this key is not answered yet, or its answer was
//	     too long to be remembered
//	413  the body is too long
//	422  the key was used for another request
//	503  the store does not work, or is full
//
// An answer that is given again has Idempotent-Replayed: true. Answers of 500
// and above are not remembered, nor are 408, 425 and 429, which ask for another
// attempt: the request can be repeated. Cookies and what the header had before
// the handler was called are not remembered either. The answer goes to the
// client when it is complete and remembered.
//
// A key is a String of RFC 9651, in quotes, or the same text without them. It is
// safe for concurrent use.
type Idempotency struct{ config IdempotencyConfig }

// NewIdempotency checks c and makes an Idempotency of it. Its error joins one
// error for each field that is wrong.
func NewIdempotency(c IdempotencyConfig) (*Idempotency, error) {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("webhook: IdempotencyConfig."+format, args...))
		}
	}
	wrong(c.Store == nil, "Store is nil")
	wrong(c.MaxBody < 0 || c.MaxBody > maxBodyLimit, "MaxBody is %d: must be between 0 and 2^30", c.MaxBody)
	wrong(c.MaxAnswer < 0 || c.MaxAnswer > maxBodyLimit, "MaxAnswer is %d: must be between 0 and 2^30", c.MaxAnswer)
	wrong(c.Keep < 0, "Keep is %v: must not be negative", c.Keep)
	wrong(c.Lease < 0, "Lease is %v: must not be negative", c.Lease)
	for _, m := range c.Methods {
		wrong(!upper(m), "Methods has %q, which is no method", m)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Methods == nil {
		c.Methods = []string{http.MethodPost, http.MethodPatch}
	}
	c.Methods = slices.Clone(c.Methods)
	if c.Scope == nil {
		c.Scope = func(r *http.Request) string { return strings.Join(r.Header["Authorization"], "\x00") }
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	c.MaxBody = orDefault(c.MaxBody, DefaultMaxBody)
	c.MaxAnswer = orDefault(c.MaxAnswer, DefaultMaxAnswer)
	c.Keep = orDefault(c.Keep, DefaultKeep)
	c.Lease = orDefault(c.Lease, DefaultLease)
	return &Idempotency{config: c}, nil
}

// Wrap returns a handler that calls next once for each key.
func (i *Idempotency) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(i.config.Methods, r.Method) {
			next.ServeHTTP(w, r)
			return
		}
		values := r.Header["Idempotency-Key"]
		if len(values) == 0 && i.config.Optional {
			next.ServeHTTP(w, r)
			return
		}
		key, ok := idempotencyKey(values)
		if !ok {
			problem(w, http.StatusBadRequest, "Idempotency-Key is missing or cannot be read")
			return
		}
		body, status := readRequest(r, i.config.MaxBody)
		if status != 0 {
			problem(w, status, "The body of the request cannot be read")
			return
		}
		i.serve(w, r, next, scoped(i.config.Scope(r), key), body)
	})
}

func (i *Idempotency) serve(w http.ResponseWriter, r *http.Request, next http.Handler, key string, body []byte) {
	fingerprint := fingerprintOf(r, body)
	claim, err := i.config.Store.Begin(r.Context(), key, fingerprint, i.config.Lease)
	switch {
	case err != nil:
		i.config.Failed(fmt.Errorf("webhook: claiming an idempotency key: %w", err))
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "Idempotency-Key cannot be checked now")
	case claim.Token != "":
		i.first(w, r, next, key, claim.Token, body)
	case claim.Fingerprint != fingerprint:
		problem(w, http.StatusUnprocessableEntity, "Idempotency-Key was used for another request")
	case claim.Answer == nil:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusConflict, "A request with this Idempotency-Key is being worked on")
	case claim.Answer.Lost:
		problem(w, http.StatusConflict, "A request with this Idempotency-Key was answered, and the answer is not kept")
	default:
		w.Header().Set("Idempotent-Replayed", "true")
		claim.Answer.write(w)
	}
}

// first serves the request that has the claim.
func (i *Idempotency) first(w http.ResponseWriter, r *http.Request, next http.Handler, key, token string, body []byte) {
	recorder := &answerRecorder{w: w, before: w.Header().Clone(), header: w.Header().Clone(), limit: i.config.MaxAnswer}
	// The client may have gone, and the answer must be remembered all the same.
	store := context.WithoutCancel(r.Context())
	abandon := func() {
		store, cancel := context.WithTimeout(store, finishTimeout)
		defer cancel()
		if err := i.config.Store.Abandon(store, key, token); err != nil {
			i.config.Failed(fmt.Errorf("webhook: freeing an idempotency key: %w", err))
		}
	}
	panicked := true
	defer func() {
		if panicked {
			abandon()
		}
	}()
	again := r.WithContext(r.Context())
	again.Body, again.ContentLength, again.TransferEncoding = newBody(body), int64(len(body)), nil
	next.ServeHTTP(recorder, again)
	panicked = false

	answer := recorder.answer()
	if asksForMore(answer.Status) {
		abandon()
	} else if err := i.finish(store, key, token, answer); err != nil {
		i.config.Failed(fmt.Errorf("webhook: remembering an answer: %w", err))
	}
	recorder.send(answer)
}

// asksForMore reports whether an answer says that the request was not done, and
// may be repeated as it is.
func asksForMore(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

func (i *Idempotency) finish(ctx context.Context, key, token string, answer StoredAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	return i.config.Store.Finish(ctx, key, token, answer, i.config.Keep)
}

// maxKey bounds an idempotency key.
const maxKey = 255

// idempotencyKey reads the field: an Item that is a String (RFC 9651, section
// 3.3.3). A text without quotes is taken as well, for many clients send it so.
func idempotencyKey(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	key := strings.Trim(values[0], " \t")
	if !strings.HasPrefix(key, `"`) {
		return key, key != "" && len(key) <= maxKey && visible(key) && !strings.ContainsAny(key, `",;\`)
	}
	members, ok := header.Structured(values)
	if !ok {
		return "", false
	}
	item, ok := members.Next()
	_, more := members.Next()
	key = item.Value.Text
	return key, ok && !more && item.Value.Kind == header.String && key != "" && len(key) <= maxKey
}

// scoped is what the store sees of a key: no credential, and always as long.
func scoped(scope, key string) string {
	owner := sha256.Sum256([]byte(scope))
	sum := sha256.Sum256(append(owner[:], key...))
	return hex.EncodeToString(sum[:])
}

// fingerprintOf tells requests apart: by method, host, path, query and body.
func fingerprintOf(r *http.Request, body []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	content := sha256.Sum256(body)
	h.Write(content[:])
	h.Write([]byte(r.Method + " " + strings.ToLower(r.Host) + " " + r.URL.RequestURI()))
	h.Sum(sum[:0])
	return sum
}

// readRequest reads the body. The status is not 0 if that fails.
func readRequest(r *http.Request, limit int64) ([]byte, int) {
	if r.ContentLength > limit {
		return nil, http.StatusRequestEntityTooLarge
	}
	if r.Body == nil {
		return nil, 0
	}
	body, err := readAll(r.Body, r.ContentLength, limit)
	switch {
	case err != nil || r.ContentLength > int64(len(body)):
		return nil, http.StatusBadRequest
	case int64(len(body)) > limit:
		return nil, http.StatusRequestEntityTooLarge
	}
	return body, 0
}

// problem answers with a problem (RFC 9457).
func problem(w http.ResponseWriter, status int, title string) {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
	}{title, status})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewReader(body))
}
