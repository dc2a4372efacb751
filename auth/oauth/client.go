package oauth

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/retry"
)

// Client is one client of one authorization server. Its methods are the grants:
// some return an [auth.Source], to be put into an [auth.Cache], others are the
// steps of a login. It is safe for concurrent use.
//
// All of its errors about tokens are a [*auth.TokenError]. What a server sent
// that is no answer is described there by an [*AnswerError].
type Client struct {
	config   Config // with defaults filled in
	policies [repeats]*retry.Policy
	breaker  *breaker.Breaker
	skew     atomic.Int64 // how far the server's clock is ahead
}

// repeat says when a request may be sent again.
type repeat int

const (
	whenUnsent   repeat = iota // the server has seen nothing of it: one-time codes
	always                     // it does no harm to send it twice
	whenAnswered               // unless the answer was lost: refresh tokens
	repeats                    // the number of the above
)

// New checks c and makes a Client of it. Its error joins one error for each
// field that is wrong. Nothing is sent.
func New(c Config) (*Client, error) {
	errs := []error{c.check()}
	client := &Client{config: c, breaker: c.Breaker}
	if client.breaker == nil {
		var err error
		client.breaker, err = breaker.New(breaker.Config{})
		errs = append(errs, err)
	}
	for r := range repeats {
		rules := c.Retry
		rules.Check = nil
		rules.Classify = [repeats]func(retry.Attempt) retry.Verdict{
			always: verdictAlways, whenAnswered: verdictWhenAnswered,
		}[r]
		policy, err := retry.New(rules)
		if r == 0 {
			errs = append(errs, err) // the others say the same
		}
		client.policies[r] = policy
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return client, nil
}

// verdictAlways repeats what a server that is not well has answered. Transport
// errors are left to the policy, which knows which can pass.
func verdictAlways(a retry.Attempt) retry.Verdict {
	if a.Response != nil && kindOf(a.Response.StatusCode) == auth.Transient {
		return retry.RetryAnyway
	}
	return retry.ByDefault
}

// verdictWhenAnswered is verdictAlways, but leaves a lost answer, after which
// the refresh token may be used up, to [Refresher].
func verdictWhenAnswered(a retry.Attempt) retry.Verdict {
	if a.Err != nil && !a.NeverSent {
		if lost, ok := a.Request.Context().Value(lostKey{}).(*bool); ok {
			*lost = true
		}
		return retry.Stop
	}
	return verdictAlways(a)
}

// lostKey is for a bool in the context that is set when an answer was lost.
type lostKey struct{}

// call is one request to an endpoint, however often it is sent.
type call struct {
	url    string
	repeat repeat
	// form makes the parameters of one attempt, without those of the client's
	// authentication.
	form func(context.Context, AssertionRequest) (url.Values, error)
}

// fixed is the form of a call whose attempts are all the same.
func fixed(form url.Values) func(context.Context, AssertionRequest) (url.Values, error) {
	return func(context.Context, AssertionRequest) (url.Values, error) { return cloneValues(form), nil }
}

// post sends a call and returns its answer, whatever the status. An assertion that
// was refused, and made by a clock that the answer shows to be wrong, is made once
// more.
func (c *Client) post(ctx context.Context, call call) (*answer, error) {
	ans, mistimed, err := c.send(ctx, call)
	if mistimed && call.repeat != whenUnsent {
		ans, _, err = c.send(ctx, call)
	}
	return ans, err
}

// send sends a call through retries, breaker and time limit. It reports whether
// the answer may be a refusal because of the time in an assertion.
func (c *Client) send(ctx context.Context, call call) (ans *answer, mistimed bool, err error) {
	a := &attempt{client: c, call: call}
	if call.repeat == always {
		ctx = retry.Idempotent(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.url, nil)
	if err != nil {
		return nil, false, &auth.TokenError{Kind: auth.Permanent, Err: err}
	}
	chain := c.policies[call.repeat].Wrap(c.breaker.Wrap(retry.AttemptTimeout(c.config.Timeout)(a)))
	resp, err := chain.RoundTrip(req)
	if err != nil {
		return nil, false, transportError(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, false, transportError(ctx, err)
	}
	ans = &answer{
		endpoint: redactURL(call.url),
		status:   resp.StatusCode,
		header:   resp.Header,
		body:     body,
		maxBytes: c.config.MaxBytes,
		sent:     a.sent,
		secrets:  a.secrets,
	}
	c.learn(ans, time.Now())
	off := time.Duration(c.skew.Load()) - a.skew
	return ans, off.Abs() >= minSkew && ans.refuses(a.assertions), nil
}

// maxSkew is how far a server's clock may be from the local one and still be
// believed.
const maxSkew = 24 * time.Hour

// minSkew is what an assertion's times may be out by without anybody's minding.
const minSkew = 5 * time.Second

// learn sets the local clock's error from the Date of an answer.
func (c *Client) learn(a *answer, came time.Time) {
	date := a.date()
	if date.IsZero() {
		return
	}
	middle := a.sent.Add(came.Sub(a.sent) / 2)
	if skew := date.Sub(middle); skew.Abs() <= maxSkew {
		c.skew.Store(int64(skew))
	}
}

// audience is what assertions are made for.
func (c *Client) audience() string {
	if c.config.Endpoints.Issuer != "" {
		return c.config.Endpoints.Issuer
	}
	return c.config.Endpoints.Token
}

// redactURL returns raw without userinfo, query and fragment.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// Params are what a request asks for. The zero value leaves that to the server.
type Params struct {
	// Scopes are those asked for (RFC 6749, section 3.3).
	Scopes []string
	// Resources are the URIs of the services that the token is for (RFC 8707).
	Resources []string
	// Audiences are the names of the services that the token is for (RFC 8693,
	// section 2.1). Some servers know them for other grants too.
	Audiences []string
	// Extra are further parameters. Those that this package sets itself must
	// not be among them.
	Extra url.Values
}

// ours are the parameters that Extra must not have.
var ours = map[string]bool{
	"grant_type": true, "client_id": true, "client_secret": true, "client_assertion": true,
	"client_assertion_type": true, "scope": true, "resource": true, "audience": true,
	"response_type": true, "redirect_uri": true, "state": true, "code": true, "code_verifier": true,
	"code_challenge": true, "code_challenge_method": true, "refresh_token": true, "device_code": true,
	"assertion": true, "subject_token": true, "subject_token_type": true, "actor_token": true,
	"actor_token_type": true, "requested_token_type": true, "token": true, "token_type_hint": true,
}

// check joins one error for each value that is wrong.
func (p Params) check() error {
	var errs []error
	for i, s := range p.Scopes {
		if !isScope(s) {
			errs = append(errs, errorAt("Params.Scopes", i, "is not a scope"))
		}
	}
	for i, s := range p.Resources {
		if u, err := url.Parse(s); err != nil || !u.IsAbs() || u.Fragment != "" {
			errs = append(errs, errorAt("Params.Resources", i, "is not an absolute URI without a fragment"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Extra)) {
		if ours[name] {
			errs = append(errs, errors.New("oauth: Params.Extra has "+name+", which this package sets"))
		}
	}
	return errors.Join(errs...)
}

// values returns the parameters as a new form.
func (p Params) values() url.Values {
	v := cloneValues(p.Extra)
	if len(p.Scopes) > 0 {
		v.Set("scope", strings.Join(p.Scopes, " "))
	}
	for _, s := range p.Resources {
		v.Add("resource", s)
	}
	for _, s := range p.Audiences {
		v.Add("audience", s)
	}
	return v
}

// clone returns a copy that shares nothing with p.
func (p Params) clone() Params {
	return Params{
		Scopes:    slices.Clone(p.Scopes),
		Resources: slices.Clone(p.Resources),
		Audiences: slices.Clone(p.Audiences),
		Extra:     cloneValues(p.Extra),
	}
}

func cloneValues(v url.Values) url.Values {
	clone := make(url.Values, len(v)+4)
	for name, values := range v {
		clone[name] = slices.Clone(values)
	}
	return clone
}

// isScope reports whether s is a scope-token (RFC 6749, appendix A.4).
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
