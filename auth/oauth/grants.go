package oauth

import (
	"context"
	"errors"
	"net/url"

	"github.com/holdfast-go/holdfast/auth"
)

// The token types of RFC 8693, section 3.
const (
	TypeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"  // #nosec G101 -- a name
	TypeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token" // #nosec G101 -- a name
	TypeIDToken      = "urn:ietf:params:oauth:token-type:id_token"      // #nosec G101 -- a name
	TypeJWT          = "urn:ietf:params:oauth:token-type:jwt"
)

// source asks the token endpoint each time.
func (c *Client) source(call call, p Params, types ...string) auth.Source {
	call.url, call.repeat = c.config.Endpoints.Token, always
	return auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
		a, err := c.post(ctx, call)
		if err != nil {
			return nil, err
		}
		return a.token(p.Scopes, types...)
	})
}

// ClientCredentials returns a Source of tokens for the client itself (RFC 6749,
// section 4.4). Each call of Token asks the server: put an [auth.Cache] in front.
// Transport errors, 429 and 5xx are repeated.
func (c *Client) ClientCredentials(p Params) (auth.Source, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	form := p.values()
	form.Set("grant_type", "client_credentials")
	return c.source(call{form: fixed(form)}, p.clone()), nil
}

// JWTBearerConfig says what a token is asked for with. Assertion is needed.
type JWTBearerConfig struct {
	Params
	// Assertion speaks for the user, or the client. See [Mint].
	Assertion Assertion
}

// JWTBearer returns a Source of tokens for an assertion (RFC 7523, section 2.1).
// Each call of Token asks the server: put an [auth.Cache] in front. Transport
// errors, 429 and 5xx are repeated, each time with a new assertion.
func (c *Client) JWTBearer(b JWTBearerConfig) (auth.Source, error) {
	errs := []error{b.check()}
	if b.Assertion == nil {
		errs = append(errs, errors.New("oauth: JWTBearerConfig.Assertion is nil"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	base := b.values()
	base.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
	form := func(ctx context.Context, r AssertionRequest) (url.Values, error) {
		assertion, err := b.Assertion.get(ctx, r)
		if err != nil {
			return nil, err
		}
		form := cloneValues(base)
		form.Set("assertion", assertion)
		return form, nil
	}
	return c.source(call{form: form}, b.clone()), nil
}

// ExchangeConfig says which token is exchanged for what. Subject is needed.
type ExchangeConfig struct {
	Params
	// Subject gives the token to be exchanged. It is asked for each attempt, so
	// it is best an [auth.Cache].
	Subject auth.Source
	// SubjectType is what kind of token that is. "" means [TypeAccessToken].
	SubjectType string
	// Actor, when not nil, gives the token of who acts for the subject.
	Actor auth.Source
	// ActorType is what kind of token that is. "" means [TypeAccessToken].
	ActorType string
	// RequestedType is what kind of token is wanted. "" leaves it to the server.
	RequestedType string
}

// Exchange returns a Source of tokens that others are exchanged for (RFC 8693).
// Each call of Token asks the server: put an [auth.Cache] in front. Transport
// errors, 429 and 5xx are repeated. A token that is no access token has the Type
// "N_A"; which kind it is, is in Extra, under issued_token_type.
func (c *Client) Exchange(e ExchangeConfig) (auth.Source, error) {
	errs := []error{e.check()}
	if isNil(e.Subject) {
		errs = append(errs, errors.New("oauth: ExchangeConfig.Subject is nil"))
	}
	if e.Actor != nil && isNil(e.Actor) {
		errs = append(errs, errors.New("oauth: ExchangeConfig.Actor is a nil func or pointer"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	base := e.values()
	base.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
	if e.RequestedType != "" {
		base.Set("requested_token_type", e.RequestedType)
	}
	form := func(ctx context.Context, _ AssertionRequest) (url.Values, error) {
		form := cloneValues(base)
		if err := put(ctx, form, "subject_token", e.Subject, firstOf(e.SubjectType, TypeAccessToken)); err != nil {
			return nil, err
		}
		if e.Actor != nil {
			if err := put(ctx, form, "actor_token", e.Actor, firstOf(e.ActorType, TypeAccessToken)); err != nil {
				return nil, err
			}
		}
		return form, nil
	}
	return c.source(call{form: form}, e.clone(), "N_A"), nil
}

// put adds a token and its type to form.
func put(ctx context.Context, form url.Values, name string, from auth.Source, kind string) error {
	t, err := from.Token(ctx)
	if err != nil {
		return err
	}
	if t == nil || t.AccessToken.IsZero() {
		return errors.New("oauth: the source of the " + name + " has returned none")
	}
	form.Set(name, t.AccessToken.Reveal())
	form.Set(name+"_type", kind)
	return nil
}

// Revoke tells the server that a token is not needed any more (RFC 7009).
// The hint says which kind it is, "access_token" or "refresh_token"; "" leaves
// it out. A token that the server does not know counts as revoked. Transport
// errors, 429 and 5xx are repeated.
func (c *Client) Revoke(ctx context.Context, token auth.Secret, hint string) error {
	if c.config.Endpoints.Revocation == "" {
		return errors.New("oauth: Config.Endpoints.Revocation is empty")
	}
	if token.IsZero() {
		return errors.New("oauth: there is no token to revoke")
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	a, err := c.post(ctx, call{url: c.config.Endpoints.Revocation, repeat: always, form: fixed(form)})
	switch {
	case err != nil:
		return err
	case a.status == 200, a.status == 204: // the body is of no meaning (section 2.2)
		return nil
	case a.status < 400:
		return a.invalid("its status is not 200")
	}
	o, reason := a.object()
	refusal := a.refusal(o, reason)
	if refusal.Code == "invalid_token" && refusal.Kind == auth.Permanent {
		return nil // as Google says that there is no such token any more
	}
	return refusal
}
