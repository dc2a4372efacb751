package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/holdfast-go/holdfast/internal/header"
)

// FromOAuth2 makes a [Source] of a TokenSource of golang.org/x/oauth2. Its
// tokens are copied. Its errors become a [*TokenError] without the server's
// answer, which may repeat the client's secret.
//
// A TokenSource has no context, so the Source cannot end when its caller does:
// put a [Cache] in front of it. If ts keeps tokens itself, as an
// oauth2.ReuseTokenSource does, it returns a refused token again: give the
// Cache one that does not.
func FromOAuth2(ts oauth2.TokenSource) Source {
	return SourceFunc(func(context.Context) (*Token, error) {
		t, err := ts.Token()
		if err != nil {
			return nil, fromOAuth2Error(err)
		}
		if t == nil {
			return nil, nil // the reader calls it a protocol error
		}
		token := &Token{
			AccessToken:  NewSecret(t.AccessToken),
			Type:         t.TokenType,
			RefreshToken: NewSecret(t.RefreshToken),
			Expiry:       t.Expiry,
		}
		if scope, ok := t.Extra("scope").(string); ok {
			token.Scopes = strings.Fields(scope)
		}
		// There is no way to ask which other members there are.
		if id, ok := t.Extra("id_token").(string); ok {
			if raw, err := json.Marshal(id); err == nil {
				token.Extra = map[string]Secret{"id_token": NewSecret(string(raw))}
			}
		}
		return token, nil
	})
}

// fromOAuth2Error takes over what may be told.
func fromOAuth2Error(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return err
	}
	own := &TokenError{Kind: Protocol, Code: e.ErrorCode, Description: e.ErrorDescription}
	if e.Response != nil {
		own.Status = e.Response.StatusCode
		own.Kind = kindOf(own.Status)
		own.Wait, _ = header.RetryAfter(e.Response.Header, time.Now)
	}
	return own
}

// ToOAuth2 makes a TokenSource of golang.org/x/oauth2 of s. Each token is a copy
// of its own. ctx is that of all its calls: when it ends, the TokenSource has.
//
// In its errors errors.As finds an *oauth2.RetrieveError, without a Body.
func ToOAuth2(ctx context.Context, s Source) oauth2.TokenSource {
	return oauth2Source(func() (*oauth2.Token, error) {
		t, err := s.Token(ctx)
		if err == nil {
			err = t.check()
		}
		if err != nil {
			return nil, toOAuth2Error(err)
		}
		token := &oauth2.Token{
			AccessToken:  t.AccessToken.Reveal(),
			TokenType:    t.Type,
			RefreshToken: t.RefreshToken.Reveal(),
			Expiry:       t.Expiry,
		}
		if token.Expiry.IsZero() && t.ExpiresIn != 0 {
			token.Expiry = time.Now().Add(min(t.ExpiresIn, maxLifetime))
		}
		extra := make(map[string]any, len(t.Extra)+1)
		for name, raw := range t.Extra {
			var v any
			if json.Unmarshal([]byte(raw.Reveal()), &v) == nil {
				extra[name] = v
			}
		}
		if len(t.Scopes) > 0 {
			extra["scope"] = strings.Join(t.Scopes, " ")
		}
		return token.WithExtra(extra), nil
	})
}

type oauth2Source func() (*oauth2.Token, error)

// Token calls f.
func (f oauth2Source) Token() (*oauth2.Token, error) { return f() }

// toOAuth2Error adds an *oauth2.RetrieveError to a TokenError.
func toOAuth2Error(err error) error {
	e, ok := errors.AsType[*TokenError](err)
	if !ok {
		return err
	}
	return &oauth2Error{error: err, retrieve: &oauth2.RetrieveError{
		// Its Error method needs a response, and prints a description at length.
		Response:         &http.Response{StatusCode: e.Status, Status: http.StatusText(e.Status), Header: http.Header{}},
		ErrorCode:        printable(e.Code, maxCode),
		ErrorDescription: printable(e.Description, maxDescription),
	}}
}

// oauth2Error is an error that is an *oauth2.RetrieveError as well.
type oauth2Error struct {
	error
	retrieve *oauth2.RetrieveError
}

// Unwrap returns both.
func (e *oauth2Error) Unwrap() []error { return []error{e.error, e.retrieve} }
