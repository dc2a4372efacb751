package httpsig_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/httpsig"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

var (
	secret  = []byte("0123456789abcdef0123456789abcdef")
	secret2 = []byte("fedcba9876543210fedcba9876543210")
	edKey   = ed25519.NewKeyFromSeed(secret)
)

// hidden makes a Secret of bytes.
func hidden(b []byte) auth.Secret { return auth.NewSecret(string(b)) }

// secrets finds the keys of the id "k".
func secrets(t testing.TB, list ...[]byte) httpsig.KeyFunc {
	t.Helper()
	var keys []httpsig.Key
	for _, s := range list {
		k, err := httpsig.SecretKey(hidden(s))
		require.NoError(t, err)
		keys = append(keys, k)
	}
	return httpsig.Keys(map[string][]httpsig.Key{"k": keys})
}

func newRequest(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	var r io.Reader = http.NoBody
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	require.NoError(t, err)
	return req
}

// roundTrip returns the request that a middleware sends.
func roundTrip(t testing.TB, wrap rttest.Middleware, req *http.Request) *http.Request {
	t.Helper()
	var sent *http.Request
	resp, err := wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		sent = req
		return rttest.NewScript().RoundTrip(req.Clone(context.WithoutCancel(req.Context())))
	})).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return sent
}

// received returns the request that the server of a request gets: what net/http
// sends, read again.
func received(t testing.TB, wrap rttest.Middleware, req *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	resp, err := wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		if err := req.Write(&wire); err != nil {
			return nil, err
		}
		return rttest.NewScript().RoundTrip(req.Clone(req.Context()))
	})).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return parse(t, wire.String())
}

func parse(t testing.TB, wire string) *http.Request {
	t.Helper()
	srv := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	req, err := readRequest(wire)
	require.NoError(t, err)
	req.TLS = httptest.NewRequest(http.MethodGet, "https://x/", http.NoBody).TLS
	return req.WithContext(srv.Context())
}

func TestSign(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k", Tag: "app"})
		req := newRequest(t, "POST", "https://API.example.com:443/a%2Fb/?q=1&q=2", "payload")
		before := req.Header.Clone()
		got := received(t, s.Wrap, req)
		require.Equal(t, before, req.Header, "the caller's request is left alone")
		v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)})
		sig, err := v.VerifyRequest(got)
		require.NoError(t, err)
		require.Equal(t, "k", sig.KeyID)
		require.Equal(t, "app", sig.Tag)
		require.Equal(t, "sig1", sig.Label)
		require.Equal(t, time.Now().Unix(), sig.Created.Unix())
		require.Equal(t, httpsig.DefaultLifetime, sig.Expires.Sub(sig.Created))
		require.NotEmpty(t, sig.Nonce)
		require.Equal(t, []string{`"@method"`, `"@authority"`, `"@path"`, `"@query"`, `"content-digest"`}, sig.Components)
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Equal(t, "payload", string(body), "the body can be read after it was verified")
	})
}

// The largest MaxBody that there is means no bound, and not that all is too much.
func TestLargestMaxBody(t *testing.T) {
	t.Parallel()
	s := newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k", MaxBody: math.MaxInt64})
	req := newRequest(t, "POST", "https://api.example.com/", "payload")
	req.GetBody = nil
	got := received(t, s.Wrap, req)
	v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), MaxBody: math.MaxInt64})
	_, err := v.VerifyRequest(got)
	require.NoError(t, err)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "payload", string(body))
}

// Each attempt has a signature of its own.
func TestSignedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hm, err := httpsig.NewHMAC(httpsig.HMACConfig{Secret: hidden(secret), KeyID: "k"})
		require.NoError(t, err)
		for _, wrap := range []rttest.Middleware{newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap, hm.Wrap} {
			req := newRequest(t, "GET", "https://api.example.com/", "")
			first := roundTrip(t, wrap, req)
			second := roundTrip(t, wrap, req)
			time.Sleep(time.Minute)
			third := roundTrip(t, wrap, req)
			for _, name := range []string{"Signature", "X-Signature"} {
				if first.Header.Get(name) == "" {
					continue
				}
				require.NotEqual(t, first.Header.Get(name), second.Header.Get(name))
				require.NotEqual(t, second.Header.Get(name), third.Header.Get(name))
			}
		}
	})
}

// With a method that a redirect keeps, http.Client sends the request again. To
// another origin it goes unsigned, and back at the first it stays so.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		locations []string
		signed    []bool
	}{
		"same origin":    {[]string{"/next", "https://api.example.com:443/x"}, []bool{true, true, true}},
		"other host":     {[]string{"https://evil.example/"}, []bool{true, false}},
		"sub-domain":     {[]string{"https://x.api.example.com/"}, []bool{true, false}},
		"other port":     {[]string{"https://api.example.com:8443/"}, []bool{true, false}},
		"http":           {[]string{"http://api.example.com/"}, []bool{true, false}},
		"there and back": {[]string{"https://evil.example/", "https://api.example.com/"}, []bool{true, false, false}},
		"A, B, B":        {[]string{"https://evil.example/", "https://evil.example/2"}, []bool{true, false, false}},
		"no scheme":      {[]string{"//evil.example/"}, []bool{true, false}},
		"with userinfo":  {[]string{"https://api.example.com@evil.example/"}, []bool{true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hm, err := httpsig.NewHMAC(httpsig.HMACConfig{Secret: hidden(secret), KeyID: "k"})
			require.NoError(t, err)
			for _, wrap := range []rttest.Middleware{newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap, hm.Wrap} {
				var steps []rttest.Step
				for _, l := range tt.locations {
					steps = append(steps, rttest.Step{Status: 307, Header: []string{"Location", l}})
				}
				script := rttest.NewScript(append(steps, rttest.Step{})...)
				client := &http.Client{Transport: wrap(script)}
				resp, err := client.Do(newRequest(t, "POST", "https://api.example.com/", "body"))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				var signed []bool
				for _, call := range script.Calls() {
					signed = append(signed, call.Header.Get("Signature")+call.Header.Get("X-Signature") != "")
				}
				require.Equal(t, tt.signed, signed)
			}
		})
	}
	// A response of which nobody knows what it answers.
	req := newRequest(t, "GET", "https://api.example.com/", "")
	req.Response = &http.Response{}
	require.Empty(t, roundTrip(t, newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap, req).Header.Get("Signature"))
	req.Response.Request = req // a way without an end
	require.Empty(t, roundTrip(t, newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap, req).Header.Get("Signature"))
}

// What cannot be signed is not sent.
func TestNotSent(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		components []string
		change     func(*http.Request)
	}{
		"field is missing":         {[]string{"x-missing"}, nil},
		"query parameter missing":  {[]string{`@query-param;name="x"`}, nil},
		"query parameter twice":    {[]string{`@query-param;name="q"`}, nil},
		"status of a request":      {[]string{"@status"}, nil},
		"req of a request":         {[]string{"@method;req"}, nil},
		"not a dictionary":         {[]string{`x-text;key="a"`}, nil},
		"key is missing":           {[]string{`x-dict;key="b"`}, nil},
		"not ASCII":                {[]string{"x-umlaut"}, nil},
		"line end in a field":      {[]string{"x-line"}, nil},
		"opaque":                   {nil, func(r *http.Request) { r.URL.Opaque = "//x/y" }},
		"line end in the method":   {nil, func(r *http.Request) { r.Method = "GET\n\"@authority\": x" }},
		"line end in the query":    {nil, func(r *http.Request) { r.URL.RawQuery = "a\nb" }},
		"relative path":            {nil, func(r *http.Request) { r.URL.Path = "x" }},
		"international host":       {nil, func(r *http.Request) { r.URL.Host, r.Host = "bücher.example", "" }},
		"host like another one":    {nil, func(r *http.Request) { r.URL.Host, r.Host = "ap\u0130.example.com", "" }},
		"zone in the host":         {nil, func(r *http.Request) { r.URL.Host, r.Host = "[fe80::1%25en0]", "" }},
		"no host":                  {nil, func(r *http.Request) { r.URL.Host, r.Host = "", "" }},
		"ftp":                      {[]string{"@scheme"}, func(r *http.Request) { r.URL.Scheme = "ftp" }},
		"signed already":           {nil, func(r *http.Request) { r.Header.Set("Signature-Input", "sig1=()") }},
		"signature is no field":    {nil, func(r *http.Request) { r.Header.Set("Signature", "(((") }},
		"body is too long":         {nil, func(r *http.Request) { setBody(r, strings.NewReader(strings.Repeat("x", 101)), -1) }},
		"body says it is too long": {nil, func(r *http.Request) { setBody(r, strings.NewReader("x"), 101) }},
		"body breaks":              {nil, func(r *http.Request) { setBody(r, iotest.ErrReader(broken), -1) }},
		"GetBody breaks":           {nil, func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, broken } }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := rttest.NewScript()
			req := newRequest(t, "POST", "https://api.example.com/?q=1&q=2", "body")
			req.Header = http.Header{"X-Text": {"a=("}, "X-Dict": {"a=1"}, "X-Umlaut": {"ä"}, "X-Line": {"a\nb"}}
			if tt.change != nil {
				tt.change(req)
			}
			s := newSigner(t, httpsig.Config{Secret: hidden(secret), Components: tt.components, MaxBody: 100})
			_, err := s.Wrap(script).RoundTrip(req)
			var e *httpsig.SignError
			require.ErrorAs(t, err, &e)
			require.True(t, e.NotSent())
			require.False(t, e.Retryable())
			require.Empty(t, script.Calls())
		})
	}
}

func setBody(r *http.Request, body io.Reader, length int64) {
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(body), nil, length
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config httpsig.Config
		want   []string
	}{
		"no key":  {httpsig.Config{}, []string{"either a Key or a Secret"}},
		"nil key": {httpsig.Config{Key: ed25519.PrivateKey(nil)}, []string{"httpsig: the key is empty"}},
		"both":    {httpsig.Config{Key: edKey, Secret: hidden(secret)}, []string{"either a Key or a Secret"}},
		"many": {httpsig.Config{
			Secret: hidden(secret[:31]), Label: "Sig", KeyID: "a\nb", MaxBody: -1,
			Components: []string{"@unknown", "X-Upper", "", "@query-param", "x-a;foo", "@path;sf", "x-a;bs;sf", "x-b;sf", "date", "date", "x;tr", `"x"`, "x y", `x;key=1`},
		}, []string{
			"at least 32 bytes, got 31", "Label", "printable", "MaxBody", `"@unknown": is unknown`, `"X-Upper"`, `""`, `"@query-param": needs a name`,
			`"x-a;foo"`, `"@path;sf"`, `"x-a;bs;sf"`, `"x-b;sf"`, `"date": is there twice`, `"x;tr"`, `"x y"`, `"x;key=1"`,
		}},
		"algorithm": {httpsig.Config{Key: edKey, Algorithm: httpsig.RSAPSS}, []string{"does not go with"}},
		"of secret": {httpsig.Config{Secret: hidden(secret), Algorithm: httpsig.RSAPSS}, []string{"does not go with"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := httpsig.New(tt.config)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
	_, err := httpsig.NewVerifier(httpsig.VerifierConfig{Components: []string{"@x"}, MaxAge: -1, Scheme: "ftp"})
	for _, part := range []string{"Keys", `"@x"`, "MaxAge", `"ftp"`} {
		require.ErrorContains(t, err, part)
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	k, err := httpsig.SecretKey(hidden(secret))
	require.NoError(t, err)
	s := newSigner(t, httpsig.Config{Secret: hidden(secret)})
	hm, err := httpsig.NewHMAC(httpsig.HMACConfig{Secret: hidden(secret), KeyID: "k"})
	require.NoError(t, err)
	for _, value := range []any{k, &k, s, *s, hm, *hm} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			out := fmt.Sprintf(verb, value)
			require.NotContains(t, out, "01234567")
			require.NotContains(t, out, "30313233")
			require.NotContains(t, out, "48 49 50")
		}
		data, err := json.Marshal(value)
		require.NoError(t, err)
		require.Equal(t, "{}", string(data))
	}
	require.Equal(t, "httpsig.Key(hmac-sha256)", k.LogValue().String())
}

// clauses are those of the contract that hold also if the body must be read
// before it is sent. "request body streams" and "request body waits for 100
// Continue" cannot.
var clauses = []string{
	"request body is closed exactly once", "request body is closed when the context is over", "request is not changed",
	"request arrives as it was made", "request body arrives whole at each attempt", "GetBody works below",
	"request without a body stays one", "discarded responses are drained and closed", "draining is bounded",
	"returned body is readable after RoundTrip", "cut body is an error", "trailers arrive", "any status has a nil error",
	"response body streams", "upgraded connection is writable", "cancellation ends a wait", "nothing is left running",
	"connections are reused", "CloseIdleConnections is forwarded", "safe for concurrent use", "panic of the transport passes through",
	"late answers are closed", "bare requests and answers are no reason to panic",
}

func TestContract(t *testing.T) {
	t.Parallel()
	hm, err := httpsig.NewHMAC(httpsig.HMACConfig{Secret: hidden(secret), KeyID: "k"})
	require.NoError(t, err)
	headOnly := newSigner(t, httpsig.Config{Key: edKey, Components: []string{"@method", "@target-uri"}})
	t.Run("without the body", func(t *testing.T) {
		t.Parallel()
		rttest.Contract(t, rttest.Subject{New: func() rttest.Middleware { return headOnly.Wrap }})
	})
	for name, wrap := range map[string]rttest.Middleware{"with the body": newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap, "HMAC": hm.Wrap} {
		for _, clause := range clauses {
			t.Run(name+"/"+clause, func(t *testing.T) {
				t.Parallel()
				require.Empty(t, rttest.Violations(t, rttest.Subject{New: func() rttest.Middleware { return wrap }}, clause))
			})
		}
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(clauses))), 23)
}

func TestUnwrap(t *testing.T) {
	t.Parallel()
	next := rttest.NewScript()
	rt := newSigner(t, httpsig.Config{Secret: hidden(secret)}).Wrap(next)
	require.Equal(t, http.RoundTripper(next), rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func BenchmarkSign(b *testing.B) {
	ok := rttest.Func(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
	})
	rt := newSigner(b, httpsig.Config{Secret: hidden(secret), KeyID: "k"}).Wrap(ok)
	req := newRequest(b, "POST", "https://api.example.com/things?q=1", "payload")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}
