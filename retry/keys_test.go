package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func newKeys(t testing.TB, c retry.KeysConfig) *retry.Keys {
	t.Helper()
	k, err := retry.NewKeys(c)
	require.NoError(t, err)
	return k
}

// numbered returns a NewKey whose keys are k1, k2 and so on.
func numbered() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprint("k", n.Add(1)) }
}

func TestKeysContract(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config   retry.KeysConfig
		retrying bool
	}{
		"zero config":                   {retry.KeysConfig{}, false},
		"every method":                  {retry.KeysConfig{Methods: []string{"GET", "POST", "PUT"}}, false},
		"another host":                  {retry.KeysConfig{Hosts: []string{"elsewhere.example.com"}}, false},
		"above a policy":                {retry.KeysConfig{}, true},
		"above a policy, another field": {retry.KeysConfig{Header: "PayPal-Request-Id"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware {
					keys := newKeys(t, tt.config)
					if !tt.retrying {
						return keys.Wrap
					}
					policy := newPolicy(t, retry.Config{})
					return func(next http.RoundTripper) http.RoundTripper { return keys.Wrap(policy.Wrap(next)) }
				},
				Hooked: func(callback func()) rttest.Middleware {
					c := tt.config
					c.Hosts = nil // so that there are keys to be made
					c.NewKey = func() string { callback(); return "k" }
					return newKeys(t, c).Wrap
				},
			})
		})
	}
}

func TestNewKeysErrors(t *testing.T) {
	t.Parallel()
	_, err := retry.NewKeys(retry.KeysConfig{
		Header:  "Idempotency Key",
		Methods: []string{"POST", "post", "", "P T"},
		Hosts: []string{
			"api.example.com", "https://example.com", "example.com:443", "", "*.example.com", "[::1]", "::1",
			"10.0.0.1", "user@example.com", "example.com/v1", "bücher.example", "my_host", "example.com.",
		},
	})
	require.EqualError(t, err, strings.Join([]string{
		`retry: KeysConfig.Header is "Idempotency Key": must be a token (RFC 9110, section 5.6.2)`,
		`retry: KeysConfig.Methods[1] is "post": must be a token (RFC 9110, section 5.6.2) in capitals`,
		`retry: KeysConfig.Methods[2] is "": must be a token (RFC 9110, section 5.6.2) in capitals`,
		`retry: KeysConfig.Methods[3] is "P T": must be a token (RFC 9110, section 5.6.2) in capitals`,
		`retry: KeysConfig.Hosts[1] is "https://example.com": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[2] is "example.com:443": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[3] is "": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[4] is "*.example.com": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[5] is "[::1]": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[8] is "user@example.com": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
		`retry: KeysConfig.Hosts[9] is "example.com/v1": must be a host name or an IP address, without scheme, port, brackets and wildcards`,
	}, "\n"))

	_, err = retry.NewKeys(retry.KeysConfig{Methods: []string{}, Hosts: []string{}})
	require.EqualError(t, err, `retry: KeysConfig.Methods is []: must name a method, or be nil for POST and PATCH`+"\n"+
		`retry: KeysConfig.Hosts is []: must name a host, or be nil for every host`)

	for _, header := range []string{
		"Connection", "content-length", "Host", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "upgrade",
	} {
		_, err = retry.NewKeys(retry.KeysConfig{Header: header})
		require.ErrorContains(t, err, "must not be a field that net/http or a proxy takes for itself", header)
	}
}

func TestWhoGetsAKey(t *testing.T) {
	t.Parallel()
	paypal := retry.KeysConfig{Header: "paypal-request-id"}
	local := retry.KeysConfig{Hosts: []string{"::1", "API.example.COM"}}
	for name, tt := range map[string]struct {
		config retry.KeysConfig
		method string
		url    string
		header http.Header
		own    string
		want   http.Header
	}{
		"POST":                     {method: "POST", want: http.Header{"Idempotency-Key": {"k1"}}},
		"PATCH":                    {method: "PATCH", want: http.Header{"Idempotency-Key": {"k1"}}},
		"GET":                      {method: "GET"},
		"PUT":                      {method: "PUT"},
		"no method is GET":         {config: retry.KeysConfig{Methods: []string{"GET"}}, want: http.Header{"Idempotency-Key": {"k1"}}},
		"methods have case":        {method: "post"},
		"not in the list":          {config: retry.KeysConfig{Methods: []string{"PUT"}}, method: "POST"},
		"other fields stay":        {method: "POST", header: http.Header{"A": {"1", "2"}}, want: http.Header{"A": {"1", "2"}, "Idempotency-Key": {"k1"}}},
		"another field":            {config: paypal, method: "POST", want: http.Header{"Paypal-Request-Id": {"k1"}}},
		"host with port":           {config: local, method: "POST", url: "https://api.Example.com:8443/", want: http.Header{"Idempotency-Key": {"k1"}}},
		"IPv6":                     {config: local, method: "POST", url: "http://[::1]:80/", want: http.Header{"Idempotency-Key": {"k1"}}},
		"another host":             {config: local, method: "POST", url: "https://example.com/"},
		"host below":               {config: local, method: "POST", url: "https://eu.api.example.com/"},
		"caller's header":          {method: "POST", header: http.Header{"Idempotency-Key": {"mine"}}, own: "own", want: http.Header{"Idempotency-Key": {"mine"}}},
		"whatever its case":        {method: "POST", header: http.Header{"idempotency-KEY": {"mine"}}, own: "own", want: http.Header{"idempotency-KEY": {"mine"}}},
		"not to be sent":           {method: "POST", header: http.Header{"Idempotency-Key": nil}, own: "own", want: http.Header{"Idempotency-Key": nil}},
		"caller's context":         {method: "POST", own: "own", want: http.Header{"Idempotency-Key": {"own"}}},
		"context and a GET":        {method: "GET", own: "own"},
		"context and another host": {config: local, method: "POST", url: "https://example.com/", own: "own"},
		"quotes, where wanted":     {method: "POST", own: `"own"`, want: http.Header{"Idempotency-Key": {`"own"`}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.config.NewKey = numbered()
			s := rttest.NewScript()
			req := newRequest(t, "GET", nil)
			req.Method, req.Header = tt.method, tt.header
			if tt.url != "" {
				u, err := req.URL.Parse(tt.url)
				require.NoError(t, err)
				req.URL = u
			}
			if tt.own != "" {
				req = req.WithContext(retry.WithIdempotencyKey(t.Context(), tt.own))
			}
			if tt.want == nil {
				tt.want = tt.header
			}
			_, err := newKeys(t, tt.config).Wrap(s).RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, tt.want, s.Calls()[0].Header)
		})
	}
}

func TestKeysAndNoURL(t *testing.T) {
	t.Parallel()
	for _, c := range []retry.KeysConfig{{}, {Hosts: []string{"api.example.com"}}} {
		s := rttest.NewScript(rttest.Step{Err: errBroken})
		req := newRequest(t, "POST", nil)
		req.URL = nil
		_, err := newKeys(t, c).Wrap(s).RoundTrip(req)
		require.ErrorIs(t, err, errBroken)
	}
}

// The mark tells a Policy below that a request may be repeated.
func TestKeysMakeRepeatable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config retry.KeysConfig
		header http.Header
		want   []string // the keys of the attempts
	}{
		"Idempotency-Key":        {retry.KeysConfig{}, nil, []string{"k1", "k1", "k1"}},
		"X-Idempotency-Key":      {retry.KeysConfig{Header: "X-Idempotency-Key"}, nil, []string{"k1", "k1", "k1"}},
		"another field":          {retry.KeysConfig{Header: "PayPal-Request-Id"}, nil, []string{"k1", "k1", "k1"}},
		"set by the caller":      {retry.KeysConfig{Header: "PayPal-Request-Id"}, http.Header{"PayPal-Request-Id": {"mine"}}, []string{"mine", "mine", "mine"}},
		"set in an odd case":     {retry.KeysConfig{}, http.Header{"idempotency-key": {"mine"}}, []string{"mine", "mine", "mine"}},
		"set, but to no key":     {retry.KeysConfig{Header: "PayPal-Request-Id"}, http.Header{"Paypal-Request-Id": {""}}, []string{""}},
		"set, but not sent":      {retry.KeysConfig{Header: "PayPal-Request-Id"}, http.Header{"Paypal-Request-Id": nil}, []string{""}},
		"host that gets no keys": {retry.KeysConfig{Hosts: []string{"example.com"}}, nil, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.config.NewKey = numbered()
				s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken}, rttest.Step{})
				req := newRequest(t, "POST", strings.NewReader("payload"))
				req.Header = tt.header
				rt := newKeys(t, tt.config).Wrap(newPolicy(t, retry.Config{}).Wrap(s))
				_, err := rt.RoundTrip(req)
				require.NoError(t, err)
				var got []string
				for _, call := range s.Calls() {
					require.Equal(t, "payload", call.Body)
					got = append(got, anyCase(call.Header, tt.config.Header))
				}
				require.Equal(t, tt.want, got)
			})
		})
	}
}

// anyCase returns the value of the field, Idempotency-Key if it has no name.
func anyCase(h http.Header, field string) string {
	if field == "" {
		field = "Idempotency-Key"
	}
	for name, values := range h {
		if strings.EqualFold(name, field) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func TestKeyThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"empty": "", "blank": "a b", "tab": "a\tb", "line break": "a\r\nX-Admin: 1", "not ASCII": "schlüssel", "DEL": "a\x7f",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, own := range []bool{false, true} {
				s := rttest.NewScript()
				c, ctx := retry.KeysConfig{NewKey: func() string { return key }}, t.Context()
				if own {
					c.NewKey, ctx = nil, retry.WithIdempotencyKey(ctx, key)
				}
				body := rttest.NewBody("payload")
				req := newRequest(t, "POST", nil).WithContext(ctx)
				req.Body = body
				policy := newPolicy(t, retry.Config{})
				_, err := policy.Wrap(newKeys(t, c).Wrap(s)).RoundTrip(req)
				var bad *retry.KeyError
				require.ErrorAs(t, err, &bad)
				require.Equal(t, retry.KeyError{Header: "Idempotency-Key", Key: key}, *bad)
				require.True(t, bad.NotSent())
				require.False(t, bad.Retryable())
				require.Empty(t, s.Calls())
				require.Equal(t, 1, body.Closes())
			}
		})
	}
	require.EqualError(t, &retry.KeyError{Header: "Idempotency-Key", Key: "a\n" + strings.Repeat("x", 100)},
		`retry: the idempotency key "a\n`+strings.Repeat("x", 62)+`" for the field Idempotency-Key must be visible ASCII and not empty`)
}

func TestNewKeyPanics(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("payload")
	req := newRequest(t, "POST", nil)
	req.Body = body
	rt := newKeys(t, retry.KeysConfig{NewKey: func() string { panic("no key") }}).Wrap(rttest.NewScript())
	require.PanicsWithValue(t, "no key", func() { _, _ = rt.RoundTrip(req) })
	require.Equal(t, 1, body.Closes())
}

func TestRandomKeys(t *testing.T) {
	t.Parallel()
	const workers, calls = 8, 100
	s := rttest.NewScript()
	rt := newKeys(t, retry.KeysConfig{}).Wrap(s)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range calls {
				resp, err := rt.RoundTrip(newRequest(t, "POST", nil))
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, call := range s.Calls() {
		key := call.Header.Get("Idempotency-Key")
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, key)
		seen[key] = true
	}
	require.Len(t, seen, workers*calls)
}

// Inside of Do every call of the function is another logical request, unless
// the caller says otherwise.
func TestKeysAndDo(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{"": {"k1", "k2", "k3"}, "order-1": {"order-1", "order-1", "order-1"}} {
		synctest.Test(t, func(t *testing.T) {
			s := rttest.NewScript()
			rt := newKeys(t, retry.KeysConfig{NewKey: numbered()}).Wrap(s)
			ctx := t.Context()
			if name != "" {
				ctx = retry.WithIdempotencyKey(ctx, name)
			}
			_, err := retry.Do(ctx, newPolicy(t, retry.Config{}), func(ctx context.Context) (int, error) {
				if _, err := rt.RoundTrip(newRequest(t, "POST", nil).WithContext(ctx)); err != nil {
					return 0, err
				}
				return 0, errors.New("the answer makes no sense")
			})
			require.Error(t, err)
			var got []string
			for _, call := range s.Calls() {
				got = append(got, call.Header.Get("Idempotency-Key"))
			}
			require.Equal(t, want, got)
		})
	}
}

func TestKeysAllocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	// A random key is one more; crypto/rand has a pool that the race detector empties.
	newKey := func() string { return "k" }
	usual := newKeys(t, retry.KeysConfig{Hosts: []string{"other.example.com", "api.example.com"}, NewKey: newKey}).Wrap(next)
	paypal := newKeys(t, retry.KeysConfig{Header: "PayPal-Request-Id", NewKey: newKey}).Wrap(next)
	post := newRequest(t, "POST", strings.NewReader("payload"))
	withKey := newRequest(t, "POST", strings.NewReader("payload"))
	withKey.Header.Set("Idempotency-Key", "k")
	withKey.Header.Set("Paypal-Request-Id", "k")
	post.Header.Set("Content-Type", "application/json")
	for name, tt := range map[string]struct {
		rt   http.RoundTripper
		req  *http.Request
		want float64
	}{
		"GET":                           {usual, newRequest(t, "GET", nil), 0},
		"has a key":                     {usual, withKey, 0},
		"request, header (3) and value": {usual, post, 5},
		"the same and the mark":         {paypal, post, 6},
	} {
		got := testing.AllocsPerRun(100, func() { _, _ = tt.rt.RoundTrip(tt.req) })
		require.Equal(t, tt.want, got, name)
	}
}

func BenchmarkKeys(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newKeys(b, retry.KeysConfig{}).Wrap(next)
	req := newRequest(b, "POST", nil)
	req.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = rt.RoundTrip(req)
	}
}
