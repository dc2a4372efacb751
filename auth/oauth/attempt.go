package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/httpx"
)

// attempt is the transport at the bottom of one call's chain. It makes the
// request of each attempt anew, so that none is sent twice with the same
// assertion, and reads the answer to its end within the attempt's time.
type attempt struct {
	client  *Client
	call    call
	sent    time.Time // when the last one went out
	secrets []string  // what no text may have, of all of them
	// Of the last one: how far the server's clock was taken to be ahead, and the
	// error codes with which an assertion in it would be refused.
	skew       time.Duration
	assertions []string
}

// RoundTrip makes one attempt. Of outer only the context counts.
func (a *attempt) RoundTrip(outer *http.Request) (*http.Response, error) {
	req, err := a.request(outer.Context())
	if err != nil {
		return nil, &unpreparedError{err: err}
	}
	a.sent = time.Now()
	resp, err := a.client.config.Transport.RoundTrip(req)
	if err != nil {
		if resp != nil {
			httpx.Discard(resp)
		}
		return nil, err
	}
	return readWhole(resp, a.client.config.MaxBytes)
}

// request makes the request of one attempt.
func (a *attempt) request(ctx context.Context) (*http.Request, error) {
	c := a.client
	a.skew = time.Duration(c.skew.Load())
	now := AssertionRequest{ClientID: c.config.ClientID, Audience: c.audience(), Now: time.Now().Add(a.skew)}
	form, err := a.call.form(ctx, now)
	if err != nil {
		return nil, err
	}
	r := &ClientRequest{AssertionRequest: now, Form: form, Header: c.config.Header.Clone()}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if err := c.config.Auth.Authenticate(ctx, r); err != nil {
		return nil, err
	}
	a.secrets = append(a.secrets, secretsOf(r)...)
	a.assertions = nil
	if r.Form.Has("client_assertion") {
		a.assertions = append(a.assertions, "invalid_client")
	}
	if r.Form.Has("assertion") {
		a.assertions = append(a.assertions, "invalid_grant")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.call.url, strings.NewReader(r.Form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header
	return req, nil
}

// readWhole reads the answer into memory, one byte more than limit at most.
func readWhole(resp *http.Response, limit int64) (*http.Response, error) {
	if resp == nil {
		return nil, errors.New("oauth: the transport returned neither an answer nor an error")
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) <= limit {
		httpx.Discard(resp)
	} else {
		_ = resp.Body.Close() // there is more than anybody wants
	}
	if err != nil && kindOf(resp.StatusCode) != auth.Transient {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// CloseIdleConnections forwards to the transport below.
func (a *attempt) CloseIdleConnections() { httpx.CloseIdle(a.client.config.Transport) }

// unpreparedError is the error of an attempt whose request could not be made.
type unpreparedError struct{ err error }

// Error is that of the cause.
func (e *unpreparedError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *unpreparedError) Unwrap() error { return e.err }

// NotSent is true.
func (e *unpreparedError) NotSent() bool { return true }

// plain are the parameters that are not secret.
var plain = map[string]bool{
	"grant_type": true, "client_id": true, "client_assertion_type": true, "scope": true, "resource": true,
	"audience": true, "redirect_uri": true, "subject_token_type": true, "actor_token_type": true,
	"requested_token_type": true, "token_type_hint": true, "response_type": true, "code_challenge_method": true,
}

// secretsOf returns what a server that repeats its request in an error would
// give away, the longest first.
func secretsOf(r *ClientRequest) []string {
	var found []string
	for name, values := range r.Form {
		for _, v := range values {
			if !plain[name] {
				found = append(found, v, url.QueryEscape(v))
			}
		}
	}
	for _, v := range r.Header["Authorization"] {
		_, credential, _ := strings.Cut(v, " ")
		found = append(found, credential)
		if decoded, err := base64.StdEncoding.DecodeString(credential); err == nil {
			_, password, _ := strings.Cut(string(decoded), ":")
			found = append(found, password)
			if secret, err := url.QueryUnescape(password); err == nil {
				found = append(found, secret)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(found)
}

// minScrub is the length of the shortest secret that is looked for in texts:
// shorter ones would be found everywhere.
const minScrub = 4

// scrub replaces what is secret in a text of the server.
func scrub(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= minScrub {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return text
}
