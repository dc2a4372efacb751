package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// HandlerConfig says how a [Verifier] guards an http.Handler. The zero value
// asks for a valid token.
type HandlerConfig struct {
	// Scopes are the scopes that a token must have, all of them. A scope is
	// made of the characters of RFC 6749, section 3.3.
	Scopes []string

	// Realm is told to the client in WWW-Authenticate. "" leaves it out.
	Realm string

	// Refused, when not nil, is called for each request that is refused, on the
	// goroutine of the request and before it is answered. The error is an
	// [*Error], a [*KeysError], an error that matches [ErrNoToken], or the cause
	// of the context's end.
	Refused func(*http.Request, error)
}

// ErrNoToken says that a request has no bearer token, or not exactly one.
var ErrNoToken = errors.New("jwt: the request has no bearer token")

// errTwoTokens says that a request has more than one Authorization field.
var errTwoTokens = fmt.Errorf("%w: it has several Authorization fields", ErrNoToken)

type contextKey struct{}

// FromContext returns the token of a request that a handler of
// [Verifier.Handler] has let pass.
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(contextKey{}).(*Token)
	return t, ok
}

// Handler returns a middleware for servers. It takes the bearer token of the
// Authorization field (RFC 6750, section 2.1), never one from the query or the
// body, and hands the request on with the token in its context, see
// [FromContext].
//
// It answers the others as RFC 6750, section 3, says: 401 without an error code
// if there is no token, 400 invalid_request if there are several Authorization
// fields, 401 invalid_token, 403 insufficient_scope. If the keys cannot be had
// it answers 503, because the token may be good. The error is that of the
// configuration: one for each value that is wrong.
func (v *Verifier) Handler(c HandlerConfig) (func(http.Handler) http.Handler, error) {
	var errs []error
	if !isQuotable(c.Realm) {
		errs = append(errs, errors.New("jwt: HandlerConfig.Realm must be printable ASCII without quotes and backslashes"))
	}
	for i, s := range c.Scopes {
		if s == "" || !isQuotable(s) || strings.Contains(s, " ") {
			errs = append(errs, fmt.Errorf("jwt: HandlerConfig.Scopes[%d] is not a scope", i))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Scopes = append([]string(nil), c.Scopes...)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			token, err := v.authorize(req, c.Scopes)
			if err != nil {
				if c.Refused != nil {
					c.Refused(req, err)
				}
				c.refuse(w, err)
				return
			}
			next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), contextKey{}, token)))
		})
	}, nil
}

func (v *Verifier) authorize(req *http.Request, scopes []string) (*Token, error) {
	compact, err := bearer(req)
	if err != nil {
		return nil, err
	}
	token, err := v.Verify(req.Context(), compact)
	if err != nil {
		return nil, err
	}
	if !token.HasScope(scopes...) {
		return nil, &Error{Reason: MissingScope}
	}
	return token, nil
}

// bearer returns the token of the one Authorization field.
func bearer(req *http.Request) (string, error) {
	fields := req.Header.Values("Authorization")
	if len(fields) > 1 {
		return "", errTwoTokens
	}
	if len(fields) == 0 {
		return "", ErrNoToken
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", ErrNoToken
	}
	return token, nil
}

// refuse answers a request that is not let through. The answer tells nothing
// that the client has not sent or cannot find out.
func (c HandlerConfig) refuse(w http.ResponseWriter, err error) {
	status, code := http.StatusUnauthorized, "invalid_token"
	failure, invalid := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, errTwoTokens):
		status, code = http.StatusBadRequest, "invalid_request"
	case errors.Is(err, ErrNoToken):
		code = ""
	case !invalid:
		// Neither the client nor the token is to blame.
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	case failure.Reason == MissingScope:
		status, code = http.StatusForbidden, "insufficient_scope"
	}
	var params []string
	if c.Realm != "" {
		params = append(params, `realm="`+c.Realm+`"`)
	}
	if code != "" {
		params = append(params, `error="`+code+`"`)
	}
	if invalid {
		params = append(params, `error_description="`+failure.Reason.String()+`"`)
	}
	if code == "insufficient_scope" {
		params = append(params, `scope="`+strings.Join(c.Scopes, " ")+`"`)
	}
	w.Header().Set("WWW-Authenticate", strings.TrimSpace("Bearer "+strings.Join(params, ", ")))
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

// isQuotable reports whether s can stand in a quoted string as it is.
func isQuotable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
