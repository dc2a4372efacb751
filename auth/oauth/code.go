package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-go/holdfast/auth"
)

// CodeConfig says what a login is for. RedirectURI is needed.
type CodeConfig struct {
	Params
	// RedirectURI is where the server sends the browser with its answer. It must
	// be registered there.
	RedirectURI string
}

// CodeLogin is a login with an authorization code that is under way (RFC 6749,
// section 4.1), with PKCE (RFC 7636, method S256) and a state. Keep it where
// only the user's browser session can lead to it, until the browser comes back
// to RedirectURI, and use it once. Outside of the process that is its fields: the
// Verifier is a Secret, which does not marshal, so write down what it reveals.
type CodeLogin struct {
	// URL is where to send the user's browser.
	URL string
	// State ties the answer to this login. It is in the URL.
	State string
	// Verifier is what only the client knows.
	Verifier auth.Secret
	// RedirectURI is that of the CodeConfig.
	RedirectURI string
	// Scopes are those asked for.
	Scopes []string
	// Resources are those asked for. The request for the token names them again
	// (RFC 8707, section 2.2).
	Resources []string
}

// StartCode begins a login. Nothing is sent; the browser has to go to the URL of
// what is returned. Further parameters of the server, such as "prompt" or
// "nonce", are in Params.Extra.
func (c *Client) StartCode(p CodeConfig) (*CodeLogin, error) {
	if c.config.Endpoints.RequirePushed {
		return nil, errors.New("oauth: Config.Endpoints.RequirePushed is set: begin the login with PushCode")
	}
	login, query, err := c.newLogin(p)
	if err != nil {
		return nil, err
	}
	login.URL = c.authorization(query)
	return login, nil
}

// PushCode is [Client.StartCode] for servers that want to have the parameters of a
// login from the client itself (RFC 9126): nobody can change them on their way
// through the browser, nor read them there. The URL has a reference to them, which
// is good for one login, and mostly for a minute. Transport errors, 429 and 5xx
// are repeated.
func (c *Client) PushCode(ctx context.Context, p CodeConfig) (*CodeLogin, error) {
	if c.config.Endpoints.PushedAuthorization == "" {
		return nil, errors.New("oauth: Config.Endpoints.PushedAuthorization is empty")
	}
	login, query, err := c.newLogin(p)
	if err != nil {
		return nil, err
	}
	a, err := c.post(ctx, call{url: c.config.Endpoints.PushedAuthorization, repeat: always, form: fixed(query)})
	if err != nil {
		return nil, err
	}
	o, err := a.successWith(http.StatusCreated)
	if err != nil {
		return nil, err
	}
	reference, ok := o.text("request_uri")
	if !ok || reference == "" || !visible(reference, '!') {
		return nil, a.invalid("it has no request_uri")
	}
	login.URL = c.authorization(url.Values{"client_id": {c.config.ClientID}, "request_uri": {reference}})
	return login, nil
}

// newLogin checks p and makes a login without a URL, and the parameters that it
// begins with.
func (c *Client) newLogin(p CodeConfig) (*CodeLogin, url.Values, error) {
	errs := []error{p.check()}
	if c.config.Endpoints.Authorization == "" {
		errs = append(errs, errors.New("oauth: Config.Endpoints.Authorization is empty"))
	}
	if u, err := url.Parse(p.RedirectURI); err != nil || !u.IsAbs() || u.Fragment != "" {
		errs = append(errs, errors.New("oauth: CodeConfig.RedirectURI is not an absolute URI without a fragment"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	own := p.clone()
	login := &CodeLogin{
		State:       rand.Text(),
		Verifier:    auth.NewSecret(newVerifier()),
		RedirectURI: p.RedirectURI,
		Scopes:      own.Scopes,
		Resources:   own.Resources,
	}
	query := p.values()
	query.Set("response_type", "code")
	query.Set("client_id", c.config.ClientID)
	query.Set("redirect_uri", p.RedirectURI)
	query.Set("state", login.State)
	query.Set("code_challenge", challenge(login.Verifier.Reveal()))
	query.Set("code_challenge_method", "S256")
	return login, query, nil
}

// authorization returns the URL of the authorization endpoint with a query. It may
// have one of its own (RFC 6749, section 3.1).
func (c *Client) authorization(query url.Values) string {
	endpoint := c.config.Endpoints.Authorization
	if strings.Contains(endpoint, "?") {
		return endpoint + "&" + query.Encode()
	}
	return endpoint + "?" + query.Encode()
}

// newVerifier returns a code verifier of 256 random bits (RFC 7636, section 4.1).
func newVerifier() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// challenge returns the S256 code challenge of a verifier (RFC 7636, section 4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ErrState is what errors.Is finds in the error for an answer that belongs to no
// login, or to another one. It may be an attack. The login can go on.
var ErrState = errors.New("oauth: the answer does not belong to this login")

// ErrIssuer is what errors.Is finds in the error for an answer that comes from
// another authorization server (RFC 9207). It is an attack, or a mistake in the
// configuration. Nothing was sent.
var ErrIssuer = errors.New("oauth: the answer comes from another authorization server")

// FinishCode exchanges the code in the server's answer, the query with which the
// browser came back, for a token. State and issuer are checked first. A code can
// be used once: the request is repeated only if the server has seen nothing of
// it.
func (c *Client) FinishCode(ctx context.Context, login *CodeLogin, answer url.Values) (*auth.Token, error) {
	code, err := c.codeOf(login, answer)
	if err != nil {
		return nil, err
	}
	form := Params{Resources: login.Resources}.values()
	form.Set("grant_type", "authorization_code")
	form.Set("code", code)
	form.Set("redirect_uri", login.RedirectURI)
	form.Set("code_verifier", login.Verifier.Reveal())
	a, err := c.post(ctx, call{url: c.config.Endpoints.Token, form: fixed(form)})
	if err != nil {
		return nil, err
	}
	return a.token(login.Scopes)
}

// codeOf returns the code in an answer that is one to this login.
func (c *Client) codeOf(login *CodeLogin, answer url.Values) (string, error) {
	if login == nil || login.State == "" || login.Verifier.IsZero() {
		return "", &auth.TokenError{Kind: auth.Permanent, Description: "there is no login under way", Err: ErrState}
	}
	for _, name := range []string{"state", "iss", "code", "error"} {
		if len(answer[name]) > 1 {
			return "", &auth.TokenError{Kind: auth.Protocol, Description: name + " is given twice", Err: ErrState}
		}
	}
	if !auth.NewSecret(login.State).Equal(auth.NewSecret(answer.Get("state"))) {
		return "", &auth.TokenError{Kind: auth.Protocol, Err: ErrState}
	}
	e := c.config.Endpoints
	iss, given := answer.Get("iss"), answer.Has("iss")
	if given && e.Issuer != "" && iss != e.Issuer || !given && e.RequireIss {
		return "", &auth.TokenError{Kind: auth.Protocol, Err: ErrIssuer}
	}
	if failure := answer.Get("error"); failure != "" {
		t := &auth.TokenError{Kind: auth.Permanent, Code: printable(failure, maxCodeBytes), Description: answer.Get("error_description")}
		if kindOfCode(failure, 0) == auth.Transient {
			t.Kind = auth.Transient
		}
		return "", t
	}
	code := answer.Get("code")
	if code == "" || !visible(code, ' ') {
		return "", &auth.TokenError{Kind: auth.Protocol, Description: "the answer has no code"}
	}
	return code, nil
}
