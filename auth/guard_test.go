package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// kinds returns an Authorizer for each way to send credentials, all with the
// same secret.
func kinds(t testing.TB, secret string) map[string]auth.Authorizer {
	t.Helper()
	s := auth.NewSecret(secret)
	key := func(place auth.Place, name string) auth.Authorizer {
		a, err := auth.APIKey(auth.KeyConfig{Place: place, Name: name, Keys: auth.Keys{First: s}})
		require.NoError(t, err)
		return a
	}
	basic, err := auth.Basic(auth.BasicConfig{User: auth.NewSecret("user"), Password: s})
	require.NoError(t, err)
	static, err := auth.StaticBearer(s)
	require.NoError(t, err)
	return map[string]auth.Authorizer{
		"header": key(auth.InHeader, "X-Api-Key"),
		"query":  key(auth.InQuery, "api_key"),
		"cookie": key(auth.InCookie, "session"),
		"basic":  basic,
		"static": static,
		"bearer": auth.Bearer(auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			return &auth.Token{AccessToken: s}, nil
		})),
		"signature": auth.AuthorizerFunc(func(_ context.Context, req *http.Request) error {
			req.Header.Set("Signature-Input", `sig1=("@method")`)
			req.Header.Set("Signature", "sig1=:"+s.Reveal()+":")
			req.Header.Set("DPoP", s.Reveal())
			return nil
		}),
	}
}

// redirects is a transport that redirects from hop to hop, and writes down what
// each of them got.
type redirects struct {
	status int
	hops   []string // where to, one after the other
	got    []string // each request, as it goes out
}

func (r *redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", req.Method, req.URL)
	_ = req.Header.Write(&b)
	if req.Body != nil {
		_, _ = io.Copy(&b, req.Body)
		_ = req.Body.Close()
	}
	r.got = append(r.got, b.String())
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}
	if n := len(r.got); n <= len(r.hops) {
		resp.StatusCode = r.status
		resp.Header.Set("Location", r.hops[n-1])
	}
	return resp, nil
}

// Nothing goes where the credentials do not belong, for any kind of them.
func TestRedirects(t *testing.T) {
	t.Parallel()
	const start = "https://api.example.com/v1"
	for name, c := range map[string]struct {
		hops []string
		sent []bool // with credentials
	}{
		"same origin":            {[]string{"/v2"}, []bool{true, true}},
		"default port":           {[]string{"https://API.example.com:443/v2"}, []bool{true, true}},
		"other host":             {[]string{"https://evil.example.net/"}, []bool{true, false}},
		"sub-domain":             {[]string{"https://x.api.example.com/"}, []bool{true, false}},
		"parent domain":          {[]string{"https://example.com/"}, []bool{true, false}},
		"other port":             {[]string{"https://api.example.com:8443/"}, []bool{true, false}},
		"down to http":           {[]string{"http://api.example.com/"}, []bool{true, false}},
		"no scheme":              {[]string{"//evil.example.net/"}, []bool{true, false}},
		"userinfo":               {[]string{"https://api.example.com@evil.example.net/"}, []bool{true, false}},
		"userinfo, same origin":  {[]string{"https://u:p@api.example.com/"}, []bool{true, true}},
		"trailing dot":           {[]string{"https://api.example.com./"}, []bool{true, false}},
		"look-alike":             {[]string{"https://ap%C4%B0.example.com/"}, []bool{true, false}}, // U+0130
		"there and back":         {[]string{"https://evil.example.net/", start}, []bool{true, false, false}},
		"there and on":           {[]string{"https://evil.example.net/", "/2", "/3"}, []bool{true, false, false, false}},
		"there, back and around": {[]string{"/2", "https://evil.example.net/", start, "/3"}, []bool{true, true, false, false, false}},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for kind, a := range kinds(t, "canary-of-redirects") {
				t.Run(fmt.Sprintf("%s, %d, %s", name, status, kind), func(t *testing.T) {
					t.Parallel()
					canary := authtest.NewCanary()
					canary.Add("credential", "canary-of-redirects")
					next := &redirects{status: status, hops: c.hops}
					client := &http.Client{Transport: newGuard(t, auth.Config{Authorizer: a}).Wrap(next)}
					resp, err := client.Post(start+"?q=1", "text/plain", strings.NewReader("body"))
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					var sent []bool
					for _, got := range next.got {
						sent = append(sent, len(canary.Scan("request", got)) > 0)
					}
					require.Equal(t, c.sent, sent, "%q", next.got)
				})
			}
		}
	}
}

func TestUnknownProvenance(t *testing.T) {
	t.Parallel()
	next := &redirects{status: 307, hops: []string{"/2", "/3"}}
	forgetful := rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		resp.Request = nil
		return resp, err
	})
	var reasons []auth.Reason
	g := newGuard(t, auth.Config{
		Authorizer: kinds(t, "canary-unknown")["header"],
		Hooks:      auth.Hooks{Withheld: func(e auth.Event) { reasons = append(reasons, e.Reason) }},
	})
	resp, err := (&http.Client{Transport: g.Wrap(forgetful)}).Get("https://api.example.com/1")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, next.got, 3)
	require.Contains(t, next.got[0], "canary")
	require.NotContains(t, next.got[1]+next.got[2], "canary")
	require.Equal(t, []auth.Reason{auth.UnknownOrigin, auth.UnknownOrigin}, reasons)
}

// A chain that never ends, such as a mock makes whose answer belongs to the
// request that follows it, is as good as unknown.
func TestEndlessProvenance(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
	require.NoError(t, err)
	req.Response = &http.Response{Request: req}
	s := rttest.NewScript()
	resp, err := newGuard(t, auth.Config{Authorizer: kinds(t, "canary-endless")["header"]}).Wrap(s).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, s.Calls()[0].Header.Get("X-Api-Key"))
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	next := &redirects{status: 307, hops: []string{"https://files.example.com/", "https://api.example.com/", "https://evil.example.net/", "https://api.example.com/"}}
	g := newGuard(t, auth.Config{
		Authorizer: kinds(t, "canary-of-origins")["header"],
		Origins:    []string{"https://API.example.com:443", "https://files.example.com/"},
	})
	client := &http.Client{Transport: g.Wrap(next)}
	for _, u := range []string{"https://api.example.com/", "https://other.example.com/", "https://api.example.com:444/"} {
		resp, err := client.Get(u)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	var sent []bool
	for _, got := range next.got {
		sent = append(sent, strings.Contains(got, "canary"))
	}
	require.Equal(t, []bool{true, true, true, false, false, false, false}, sent)
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	for u, allowed := range map[string]bool{
		"http://api.example.com/":      false,
		"http://api.example.com:443/":  false,
		"http://10.0.0.1/":             false,
		"http://127.0.0.1.example.com": false,
		"http://localhost.example.com": false,
		"http://localhost@example.com": false,
		"http://0.0.0.0/":              false,
		"http://127.1/":                false,
		"ws://localhost/":              false,
		"HTTP://localhost/":            true, // url.Parse lowers the scheme
		"http://localhost:8080/":       true,
		"http://LocalHost/":            true,
		"http://127.8.9.1/":            true,
		"http://[::1]:8080/":           true,
		"http://[::ffff:127.0.0.1]/":   true,
		"https://api.example.com/":     true,
	} {
		t.Run(u, func(t *testing.T) {
			t.Parallel()
			for _, dangerously := range []bool{false, true} {
				s := rttest.NewScript()
				var refused []auth.Event
				g := newGuard(t, auth.Config{
					Authorizer: kinds(t, "canary-plain")["header"], DangerouslyAllowHTTP: dangerously,
					Hooks: auth.Hooks{Refused: func(e auth.Event) { refused = append(refused, e) }},
				})
				body := rttest.NewBody("payload")
				req, err := http.NewRequest(http.MethodPost, u, body)
				require.NoError(t, err)
				_, err = g.Wrap(s).RoundTrip(req)
				require.Equal(t, 1, body.Closes())
				if allowed || dangerously {
					require.NoError(t, err)
					require.Equal(t, "canary-plain", s.Calls()[0].Header.Get("X-Api-Key"))
					continue
				}
				require.ErrorIs(t, err, auth.ErrInsecure)
				require.Empty(t, s.Calls())
				var e *auth.Error
				require.ErrorAs(t, err, &e)
				require.True(t, e.NotSent())
				require.False(t, e.Retryable())
				require.Len(t, refused, 1)
				require.Equal(t, auth.PlainHTTP, refused[0].Reason)
				require.Same(t, req, refused[0].Request)
			}
		})
	}
}

// What the caller has put on the request itself is replaced: never both.
func TestOneCredentialOfAKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"header": "X-Api-Key: ours-and-only", "bearer": "Authorization: Bearer ours-and-only",
		"query": "?a=%41;b&c=&api_key=ours-and-only", "cookie": "Cookie: a=1; b=2; session=ours-and-only",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			next := &redirects{}
			req, err := http.NewRequest(http.MethodGet, "https://api.example.com/?api_key=theirs&a=%41;b&api%5Fkey=theirs&c=", nil)
			require.NoError(t, err)
			req.Header.Add("X-Api-Key", "theirs")
			req.Header.Add("X-Api-Key", "theirs")
			req.Header.Set("Authorization", "Basic theirs")
			req.Header.Add("Cookie", "session=theirs; a=1")
			req.Header.Add("Cookie", "b=2;session = theirs")
			before := req.Header.Clone()
			_, err = newGuard(t, auth.Config{Authorizer: kinds(t, "ours-and-only")[kind]}).Wrap(next).RoundTrip(req)
			require.NoError(t, err)
			require.Contains(t, next.got[0], want)
			require.Equal(t, 1, strings.Count(next.got[0], "ours-and-only"))
			require.Equal(t, before, req.Header)
			field, _, _ := strings.Cut(want, ":")
			require.LessOrEqual(t, strings.Count(next.got[0], field), 1)
		})
	}
}

// The same for a field that net/http would send twice, because the caller has put
// it into the map in another spelling.
func TestOneCredentialInAnySpelling(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"bearer": "authorization", "static": "authorization", "basic": "authorization", "header": "x-api-key", "cookie": "cookie",
	}
	for kind, a := range kinds(t, "ours-and-only") {
		req, err := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
		require.NoError(t, err)
		req.Header["authorization"] = []string{"Basic theirs"}
		req.Header["x-API-key"] = []string{"theirs"}
		req.Header["cookie"] = []string{"session=theirs; b=1"}
		before := req.Header.Clone()
		next := &redirects{}
		_, err = newGuard(t, auth.Config{Authorizer: a}).Wrap(next).RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, before, req.Header)
		if field := fields[kind]; field != "" {
			require.Equal(t, 1, strings.Count(strings.ToLower(next.got[0]), field+":"), next.got[0])
			require.NoError(t, a.Authorize(t.Context(), req))
			require.Len(t, req.Header, len(before))
		}
		require.Equal(t, kind == "cookie", strings.Contains(next.got[0], "Cookie: b=1; session=ours-and-only"))
	}
}

func TestNewReportsAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := auth.New(auth.Config{Origins: []string{"api.example.com", "https://u:secret@api.example.com", "https://ok.example.com", "https://x/path"}})
	require.EqualError(t, err, `auth: Config.Authorizer is nil
auth: Config.Origins[0]: must be a scheme, a host and perhaps a port, such as "https://api.example.com"
auth: Config.Origins[1]: must be a scheme, a host and perhaps a port, such as "https://api.example.com"
auth: Config.Origins[3]: must be a scheme, a host and perhaps a port, such as "https://api.example.com"`)
	_, err = auth.New(auth.Config{Authorizer: auth.Bearer(nil)})
	require.Error(t, err)
	_, err = auth.New(auth.Config{Authorizer: auth.AuthorizerFunc(nil)})
	require.Error(t, err)
	_, err = auth.New(auth.Config{Authorizer: auth.Bearer((*auth.Cache)(nil))})
	require.Error(t, err)
}
