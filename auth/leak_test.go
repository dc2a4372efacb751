package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// Neither errors nor the Request of an answer carry a credential, whatever the
// transport does with them.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := canary.Secret("credential")
	callers := authtest.NewCanary()
	own := callers.Secret("the caller's own")
	sentinel := errors.New("sentinel")
	for kind, a := range kinds(t, secret) {
		for name, fail := range map[string]func(*http.Request) error{
			"url.Error": func(req *http.Request) error {
				return &url.Error{Op: "Get", URL: req.URL.String(), Err: sentinel}
			},
			"nested url.Error": func(req *http.Request) error {
				return &url.Error{Op: "Get", URL: req.URL.String(), Err: &url.Error{Op: "Get", URL: req.URL.String(), Err: sentinel}}
			},
			"wrapped url.Error": func(req *http.Request) error {
				return fmt.Errorf("proxy: %w", &url.Error{Op: "Get", URL: req.URL.String(), Err: sentinel})
			},
			"joined url.Error": func(req *http.Request) error {
				return errors.Join(errors.New("a"), fmt.Errorf("b: %w", &url.Error{Op: "Get", URL: req.URL.String(), Err: sentinel}))
			},
			"header in text": func(req *http.Request) error {
				return fmt.Errorf("sending %v: %w", req.Header, sentinel)
			},
			"quoted header": func(req *http.Request) error {
				return fmt.Errorf("sending %q to %q: %w", req.Header, req.URL, sentinel)
			},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				rt := newGuard(t, auth.Config{Authorizer: a}).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
					return nil, fail(req)
				}))
				_, err := (&http.Client{Transport: rt}).Get("https://user:" + own + "@api.example.com/v1?q=1&own=" + own)
				require.ErrorIs(t, err, sentinel)
				var u *url.Error
				require.ErrorAs(t, err, &u)
				// http.Client puts the caller's own URL around it.
				canary.Check(t, "error", u.Err)
				if strings.Contains(name, "url.Error") {
					callers.Check(t, "error", u.Err)
				}
				if inner, ok := errors.AsType[*url.Error](u.Err); ok {
					canary.Check(t, "inner error", inner)
					require.ErrorIs(t, inner, sentinel)
				}
			})
		}
		t.Run(kind+", answer", func(t *testing.T) {
			t.Parallel()
			for _, below := range []func(*http.Request) *http.Request{
				func(r *http.Request) *http.Request { return r },
				func(r *http.Request) *http.Request { return r.Clone(r.Context()) },
			} {
				rt := newGuard(t, auth.Config{Authorizer: a}).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusFound, Header: http.Header{}, Body: http.NoBody, Request: below(req)}, nil
				}))
				req, err := http.NewRequest(http.MethodGet, "https://api.example.com/v1?q=1", nil)
				require.NoError(t, err)
				req.Header.Set("Cookie", "a=1")
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				dump, err := dumpOut(resp.Request)
				require.NoError(t, err)
				canary.Check(t, "request of the answer", dump, resp.Request.URL.String())
				require.Equal(t, "https://api.example.com/v1?q=1", resp.Request.URL.String())
				require.Equal(t, req.Header, resp.Request.Header)
				// A redirect without Location: http.Client tells the URL of the
				// answer's request.
				_, err = (&http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("no") }}).Get("https://api.example.com/v1")
				canary.Check(t, "error of http.Client", err)
			}
		})
	}
}

// Nothing that has credentials in it shows them, whatever prints it.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := canary.Secret("credential")
	for kind, a := range kinds(t, secret) {
		if kind == "signature" {
			continue // a func, made here
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, auth.Config{Authorizer: a})
			rt := g.Wrap(atOnce())     // a Script would keep what it got
			_, err := post(t, rt, nil) // it has one now
			require.NoError(t, err)
			canary.Check(t, "authorizer", a, struct{ A auth.Authorizer }{a}, struct{ a auth.Authorizer }{a})
			canary.Check(t, "guard", g, rt, auth.Config{Authorizer: a})
		})
	}
	cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		return &auth.Token{AccessToken: auth.NewSecret(secret)}, nil
	})})
	_, err := cache.Token(t.Context())
	require.NoError(t, err)
	canary.Check(t, "cache", cache, cache.Snapshot(), auth.Bearer(cache))
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	file, err := auth.NewKeyFile(auth.KeyFileConfig{Path: path})
	require.NoError(t, err)
	canary.Check(t, "key file", file)
}

// Many servers redirect with the query that they got.
func TestLocationThatRepeatsTheQuery(t *testing.T) {
	t.Parallel()
	const key = "canary-of-/+&=%"
	canary := authtest.NewCanary()
	canary.Add("key", key)
	a := newKey(t, auth.KeyConfig{Place: auth.InQuery, Name: "api_key", Keys: pair(key, "")})
	for _, c := range []struct{ url, location, want string }{
		{"https://api.example.com/v1", "https://else.example.net/?{query}", "https://else.example.net/"},
		{"https://api.example.com/v1?a=%41", "https://else.example.net/?{query}#part", "https://else.example.net/?a=%41#part"},
		{"https://api.example.com/v1?a=%41&b", "//else.example.net/?x=1&{query}&&y;=%zz", "//else.example.net/?x=1&a=%41&b&&y;=%zz"},
		{"https://api.example.com/v1", "https://else.example.net/?api%5fkey=canary%2dof%2d%2f%2b%26%3d%25&z", "https://else.example.net/?z"},
		{"https://api.example.com/v1", "/v2?{query}&page=2", "/v2?page=2"},
		{"https://api.example.com/v1", "/v2?#", "/v2?#"},
		{"https://api.example.com/v1", "/v2?api_key=another", "/v2?api_key=another"},
	} {
		header := http.Header{}
		rt := newGuard(t, auth.Config{Authorizer: a}).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
			header.Set("Location", strings.ReplaceAll(c.location, "{query}", req.URL.RawQuery))
			return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: header, Body: http.NoBody, Request: req}, nil
		}))
		req, err := http.NewRequest(http.MethodGet, c.url, nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		canary.Check(t, "Location", resp.Header.Get("Location"))
		require.Equal(t, c.want, resp.Header.Get("Location"))
		require.Equal(t, strings.Contains(c.location, "{query}"), strings.Contains(header.Get("Location"), "api_key=canary"), "the header of whoever made the answer is left alone")
	}
}

func dumpOut(req *http.Request) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, req.Method, req.URL, req.Host)
	err := req.Header.Write(&b)
	return b.Bytes(), err
}

// An Authorizer that fails tells what it has put on the request so far.
func TestErrorOfTheAuthorizer(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := canary.Secret("credential")
	sentinel := errors.New("sentinel")
	a := auth.AuthorizerFunc(func(_ context.Context, req *http.Request) error {
		req.Header.Set("X-Key", secret)
		return fmt.Errorf("cannot sign %v: %w", req.Header, sentinel)
	})
	var events []auth.Event
	g := newGuard(t, auth.Config{Authorizer: a, Hooks: auth.Hooks{Refused: func(e auth.Event) { events = append(events, e) }}})
	s := rttest.NewScript()
	body := rttest.NewBody("payload")
	req, err := http.NewRequest(http.MethodPost, "https://u:p@api.example.com/path?q=1", body)
	require.NoError(t, err)
	_, err = g.Wrap(s).RoundTrip(req)
	require.ErrorIs(t, err, sentinel)
	canary.Check(t, "error", err)
	require.Equal(t, 1, body.Closes())
	require.Empty(t, s.Calls())
	var e *auth.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "https://api.example.com", e.Origin)
	require.True(t, e.NotSent())
	require.True(t, e.Retryable())
	require.Equal(t, auth.NoCredentials, events[0].Reason)
	require.Equal(t, err, events[0].Err)
}

// A CONNECT to a proxy carries no credentials of the server behind it.
func TestProxySeesNothing(t *testing.T) {
	t.Parallel()
	connects := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		fmt.Fprintln(&b, r.Method, r.RequestURI)
		_ = r.Header.Write(&b)
		connects <- b.String()
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(address)}
	t.Cleanup(transport.CloseIdleConnections)
	canary := authtest.NewCanary()
	secret := canary.Secret("credential")
	for kind, a := range kinds(t, secret) {
		_, err = (&http.Client{Transport: newGuard(t, auth.Config{Authorizer: a}).Wrap(transport)}).Get("https://api.example.com/")
		require.Error(t, err, kind)
		canary.Check(t, "CONNECT", <-connects)
		canary.Check(t, "error", err)
	}
}

func TestLogHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		hooks := auth.LogHooks(rttest.NewLogger(&out))
		canary := authtest.NewCanary()
		secret := canary.Secret("credential")
		s := rttest.NewScript(rttest.Step{Status: 401}, rttest.Step{})
		g := newGuard(t, auth.Config{Authorizer: &stubborn{}, Hooks: hooks})
		for _, u := range []string{"https://api.example.com/p?k=" + secret, "http://api.example.com/p?k=" + secret} {
			req, err := http.NewRequest("", u, nil)
			require.NoError(t, err)
			_, _ = g.Wrap(s).RoundTrip(req)
		}
		req, err := http.NewRequest("", "https://api.example.com/p?k="+secret, nil)
		require.NoError(t, err)
		req.Response = &http.Response{}
		_, _ = g.Wrap(s).RoundTrip(req)
		canary.Check(t, "log", out.String())
		require.Equal(t, `level=INFO msg="sending again with other credentials" method=GET origin=https://api.example.com reason=unauthorized
level=WARN msg="not sending without credentials" method=GET origin=http://api.example.com reason="plain HTTP" error="auth: no credentials for http://api.example.com: auth: refusing to send credentials over plain HTTP"
level=DEBUG msg="sending without credentials" method=GET origin=https://api.example.com reason="unknown origin"
`, out.String())
	})
	require.NotNil(t, auth.LogHooks(nil).Replay)
	require.Equal(t, "unknown", auth.Reason(99).String())
}

// Two tenants of one client do not see each other's credentials.
func TestNoCrossTalk(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	one := newGuard(t, auth.Config{Authorizer: kinds(t, "tenant-one")["bearer"]}).Wrap(s)
	two := newGuard(t, auth.Config{Authorizer: kinds(t, "tenant-two")["bearer"]}).Wrap(s)
	for range 3 {
		for _, rt := range []http.RoundTripper{one, two} {
			req, err := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
			require.NoError(t, err)
			_, err = rt.RoundTrip(req)
			require.NoError(t, err)
		}
	}
	for i, call := range s.Calls() {
		require.Equal(t, []string{"Bearer tenant-one", "Bearer tenant-two"}[i%2], call.Header.Get("Authorization"))
	}
}
