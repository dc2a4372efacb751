package oauth

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/header"
)

// answer is what an endpoint has answered.
type answer struct {
	endpoint string // without secrets
	status   int
	header   http.Header
	body     []byte // up to one byte more than maxBytes
	maxBytes int64
	sent     time.Time // when it was asked
	secrets  []string  // that the request had
}

// The bounds of what an answer may have.
const (
	maxHeaderBytes = 256 << 10
	maxTypeBytes   = 80
	maxCodeBytes   = 64
)

// charsets are those that an answer may say that it has. JSON is UTF-8 whatever
// the charset (RFC 8259, section 11), and the parser sees to that; these are
// written by servers that mean no other.
var charsets = []string{"", "utf-8", "utf8", "us-ascii", "iso-8859-1"}

// date returns the time at which the server has answered, by its own clock; zero
// if it does not say.
func (a *answer) date() time.Time {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

// invalid is the error for an answer that the protocol does not allow.
func (a *answer) invalid(reason string) *auth.TokenError {
	return &auth.TokenError{Kind: auth.Protocol, Status: a.status, Err: a.describe(reason)}
}

func (a *answer) describe(reason string) *AnswerError {
	return &AnswerError{
		Endpoint:    a.endpoint,
		Status:      a.status,
		ContentType: printable(scrub(a.header.Get("Content-Type"), a.secrets), maxTypeBytes),
		Length:      len(a.body),
		Reason:      reason,
	}
}

// object returns the JSON object in the body, or says in a few words why there
// is none.
func (a *answer) object() (object, string) {
	size := 0
	for name, values := range a.header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	mediaType, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case size > maxHeaderBytes:
		return nil, "its header is too long"
	case int64(len(a.body)) > a.maxBytes:
		return nil, "it is too long"
	case err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json"):
		return nil, "it is not JSON by its content type"
	case !slices.Contains(charsets, strings.ToLower(params["charset"])):
		return nil, "its charset is not UTF-8"
	case len(a.header["Content-Encoding"]) > 0:
		return nil, "it has a content encoding that nobody asked for"
	}
	o, err := parseObject(a.body)
	if err != nil {
		return nil, err.Error()
	}
	return o, ""
}

// success returns the object of an answer that is not an error, with a status of
// 200. The error of any other is a [*auth.TokenError].
func (a *answer) success() (object, error) { return a.successWith(http.StatusOK) }

// successWith is success for an endpoint with another status.
func (a *answer) successWith(status int) (object, error) {
	o, reason := a.object()
	if a.status >= http.StatusBadRequest {
		return nil, a.refusal(o, reason)
	}
	if a.status != status {
		return nil, a.invalid("its status is not " + strconv.Itoa(status))
	}
	if reason != "" {
		return nil, a.invalid(reason)
	}
	if _, ok := o["error"]; ok {
		err := a.refusal(o, "")
		err.Kind, err.Err = auth.Protocol, a.describe("it is an error with the status of a success")
		return nil, err
	}
	return o, nil
}

// refusal is the error for an error answer (RFC 6749, section 5.2), o being nil
// if it does not have the form of one.
func (a *answer) refusal(o object, reason string) *auth.TokenError {
	e := &auth.TokenError{Status: a.status, Kind: kindOf(a.status)}
	e.Wait, _ = header.RetryAfter(a.header, time.Now)
	if code, ok := o.text("error"); ok && isErrorText(code) {
		e.Code = scrub(printable(code, maxCodeBytes), a.secrets)
		e.Kind = kindOfCode(code, a.status)
		if text, ok := o.text("error_description"); ok {
			// The server may repeat what it was sent.
			e.Description = scrub(text, a.secrets)
		}
		return e
	}
	if reason == "" {
		reason = "it has no error code"
	}
	e.Err = a.describe(reason)
	return e
}

// refuses reports whether the answer is an error with one of these codes.
func (a *answer) refuses(codes []string) bool {
	if a.status < http.StatusBadRequest || len(codes) == 0 {
		return false
	}
	o, _ := a.object()
	code, _ := o.text("error")
	return slices.Contains(codes, code)
}

// token returns the token in the answer (RFC 6749, section 5.1). The types are
// those that it may have beside Bearer.
func (a *answer) token(requested []string, types ...string) (*auth.Token, error) {
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	access, ok := o.text("access_token")
	switch {
	case !ok || access == "":
		return nil, a.invalid("it has no access_token")
	case !visible(access, '!'):
		return nil, a.invalid("its access_token has characters that cannot be sent")
	}
	kind, ok := o.text("token_type")
	allowed := kind == "" || strings.EqualFold(kind, "bearer")
	for _, t := range types {
		allowed = allowed || strings.EqualFold(kind, t)
	}
	if !ok || !allowed {
		return nil, a.invalid("its token_type is not Bearer")
	}
	refresh, ok := o.text("refresh_token")
	if !ok || !visible(refresh, ' ') {
		return nil, a.invalid("its refresh_token is not a string of printable ASCII characters")
	}
	t := &auth.Token{
		AccessToken:  auth.NewSecret(access),
		Type:         kind,
		RefreshToken: auth.NewSecret(refresh),
		Scopes:       scopes(o, requested),
		ExpiresIn:    o.seconds("expires_in"),
		Date:         a.date(),
		Issued:       a.sent,
	}
	if t.ExpiresIn > 0 {
		// Without the monotonic clock, which stands still while a machine sleeps.
		t.Expiry = t.Issued.Add(t.ExpiresIn).Round(0)
	}
	for name, raw := range o {
		switch name {
		case "access_token", "token_type", "refresh_token", "scope", "expires_in":
		default:
			if t.Extra == nil {
				t.Extra = make(map[string]auth.Secret)
			}
			t.Extra[name] = auth.NewSecret(string(raw))
		}
	}
	return t, nil
}

// scopes returns the scopes that were granted: those asked for, if the server
// does not say. Some servers send a list.
func scopes(o object, requested []string) []string {
	if s, ok := o.text("scope"); ok {
		if s == "" {
			return requested
		}
		return strings.Fields(s)
	}
	if list := o.texts("scope"); list != nil {
		return list
	}
	return requested
}

// visible reports whether s has no character below first and none above the
// tilde.
func visible(s string, first byte) bool {
	for i := range len(s) {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}

// isErrorText reports whether s is an error code (RFC 6749, appendix A.7).
func isErrorText(s string) bool {
	return s != "" && visible(s, ' ') && !strings.ContainsAny(s, `"\`)
}
