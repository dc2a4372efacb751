package httpsig_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

func readRequest(wire string) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
}

// signedRequest is a request as the server gets it.
func signedRequest(t testing.TB, c httpsig.Config, url string) *http.Request {
	t.Helper()
	if c.Secret.IsZero() && c.Key == nil {
		c.Secret = hidden(secret)
	}
	c.KeyID = "k"
	return received(t, newSigner(t, c).Wrap, newRequest(t, "POST", url, "body"))
}

// What is changed on the way is noticed.
func TestChangedOnTheWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   httpsig.Reason
	}{
		"nothing":            {func(*http.Request) {}, 0},
		"method":             {func(r *http.Request) { r.Method = "PUT" }, httpsig.BadSignature},
		"host":               {func(r *http.Request) { r.Host = "other.example" }, httpsig.BadSignature},
		"host case and port": {func(r *http.Request) { r.Host = "API.example.com:443" }, 0},
		"host's dot":         {func(r *http.Request) { r.Host = "api.example.com." }, httpsig.BadSignature},
		"path":               {func(r *http.Request) { r.RequestURI = "/a%2fb/?q=1" }, httpsig.BadSignature},
		"path unescaped":     {func(r *http.Request) { r.RequestURI = "/a/b/?q=1" }, httpsig.BadSignature},
		"path doubled":       {func(r *http.Request) { r.RequestURI = "//a%2Fb/?q=1" }, httpsig.BadSignature},
		"path with dots":     {func(r *http.Request) { r.RequestURI = "/x/../a%2Fb/?q=1" }, httpsig.BadSignature},
		"query":              {func(r *http.Request) { r.RequestURI = "/a%2Fb/?q=2" }, httpsig.BadSignature},
		"query dropped":      {func(r *http.Request) { r.RequestURI = "/a%2Fb/" }, httpsig.BadSignature},
		"query separator":    {func(r *http.Request) { r.RequestURI = "/a%2Fb/;q=1" }, httpsig.BadSignature},
		"URL by a mux":       {func(r *http.Request) { r.URL.Path = "/stripped" }, 0},
		"body":               {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("BODY")) }, httpsig.BadBody},
		"body longer":        {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("bodybody")) }, httpsig.BadBody},
		"body gone":          {func(r *http.Request) { r.Body = http.NoBody }, httpsig.BadBody},
		"body endless":       {func(r *http.Request) { r.Body = io.NopCloser(endless{}) }, httpsig.BadBody},
		"digest":             {func(r *http.Request) { r.Header.Set("Content-Digest", "sha-256=:AA==:") }, httpsig.BadSignature},
		"digest added":       {func(r *http.Request) { r.Header.Add("Content-Digest", "sha-512=:AA==:") }, httpsig.BadSignature},
		"signature":          {func(r *http.Request) { r.Header.Set("Signature", "sig1=:AA==:") }, httpsig.BadSignature},
		"signature empty":    {func(r *http.Request) { r.Header.Set("Signature", "sig1=::") }, httpsig.BadSignature},
		"signature gone":     {func(r *http.Request) { r.Header.Del("Signature") }, httpsig.Malformed},
		"both gone":          {func(r *http.Request) { r.Header.Del("Signature"); r.Header.Del("Signature-Input") }, httpsig.Missing},
		"of another label":   {func(r *http.Request) { r.Header.Set("Signature", "sig2=:AA==:") }, httpsig.Malformed},
		"signature a string": {func(r *http.Request) { r.Header.Set("Signature", `sig1="AA=="`) }, httpsig.Malformed},
		"input a string":     {func(r *http.Request) { r.Header.Set("Signature-Input", `sig1="x"`) }, httpsig.Malformed},
		"input of bytes":     {func(r *http.Request) { r.Header.Set("Signature-Input", `sig1=(:AA==:);created=1`) }, httpsig.NotCovered},
		"fields too long":    {func(r *http.Request) { r.Header.Set("Signature", strings.Repeat("x", 1<<20)) }, httpsig.Malformed},
		"no dictionary":      {func(r *http.Request) { r.Header.Set("Signature-Input", "(((") }, httpsig.Malformed},
		"twice":              {func(r *http.Request) { r.Header.Add("Signature-Input", r.Header.Get("Signature-Input")) }, httpsig.Malformed},
		"parameter changed":  {inputChange(`keyid="k"`, `keyid="other"`), httpsig.BadSignature},
		"parameter added":    {inputChange(`keyid="k"`, `keyid="k";tag="x"`), httpsig.BadSignature},
		"order changed":      {inputChange(`"@method" "@authority"`, `"@authority" "@method"`), httpsig.BadSignature},
		"component dropped":  {inputChange(`"@path" `, ``), httpsig.NotCovered},
		"component twice":    {inputChange(`"@method"`, `"@method" "@method"`), httpsig.Malformed},
		"component unknown":  {inputChange(`"@method"`, `"@method" "@unknown"`), httpsig.Malformed},
		"component missing":  {inputChange(`"@method"`, `"@method" "x-none"`), httpsig.Malformed},
		"bytes with bytes":   {inputChange(`"@method"`, `"@method" :AA==: :AA==:`), httpsig.Malformed},
		"byte parameters":    {inputChange(`"@method"`, `"@method" "x";key=:AA==: "x";key=:AA==:`), httpsig.Malformed},
		"created gone":       {inputChange(";created=", ";creatid="), httpsig.OutOfTime},
		"created a string":   {inputChange("created=", `created="1";x=`), httpsig.Malformed},
		"created negative":   {inputChange("created=", `created=-`), httpsig.Malformed},
		"created false":      {inputChange("created=", `created=?0;x=`), httpsig.Malformed},
		"alg of another":     {inputChange(`keyid="k"`, `keyid="k";alg="ed25519"`), httpsig.BadSignature},
		"alg none":           {inputChange(`keyid="k"`, `keyid="k";alg="none"`), httpsig.BadSignature},
		"line end in it":     {func(r *http.Request) { r.RequestURI = "/a%2Fb/?q=1\n" }, httpsig.Malformed},
		"request target":     {func(r *http.Request) { r.RequestURI = "*" }, httpsig.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), MaxBody: 1000})
			req := signedRequest(t, httpsig.Config{}, "https://api.example.com/a%2Fb/?q=1")
			tt.change(req)
			_, err := v.VerifyRequest(req)
			if tt.want == 0 {
				require.NoError(t, err)
				return
			}
			requireReason(t, tt.want, err)
		})
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func inputChange(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), from, to, 1))
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	all := httpsig.Config{Components: []string{"@method", "@authority", "@path", "@query", "@target-uri", "@request-target", "@scheme", "content-digest", "host", "content-length"}}
	v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)})
	for _, url := range []string{
		"https://api.example.com", "https://api.example.com/", "https://api.example.com?", "https://api.example.com/?", "https://api.example.com/?a",
		"https://api.example.com/a%2Fb", "https://api.example.com/a%2fb", "https://api.example.com//a//", "https://api.example.com/./a/../b",
		"https://api.example.com/a+b%20c;d?x+y=%20&z=&z=1&;q", "https://api.example.com/%C3%A4?%C3%A4=%c3%a4", "https://api.example.com/ä",
		"https://API.Example.COM/", "https://api.example.com:443/", "https://api.example.com:8443/", "https://api.example.com./",
		"https://[2001:DB8::1]/", "https://[2001:db8::1]:443/", "https://user:password@api.example.com/", "https://127.0.0.1/",
	} {
		_, err := v.VerifyRequest(signedRequest(t, all, url))
		require.NoError(t, err, url)
	}
	req := newRequest(t, "POST", "https://10.0.0.1/", "body")
	req.Host = "Virtual.example.com:443"
	_, err := v.VerifyRequest(received(t, newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k"}).Wrap, req))
	require.NoError(t, err, "Host takes the place of the URL's")

	// Behind a proxy that ends TLS the connection is plain.
	req = signedRequest(t, all, "https://api.example.com:443/")
	req.TLS = nil
	_, err = newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Scheme: "https"}).VerifyRequest(req)
	require.NoError(t, err)
	req = signedRequest(t, all, "https://api.example.com/")
	req.TLS = nil
	_, err = v.VerifyRequest(req)
	requireReason(t, httpsig.BadSignature, err)
	// A proxy gets the whole URL.
	req = signedRequest(t, httpsig.Config{}, "https://api.example.com/a?b")
	req.RequestURI = "http://api.example.com/a?b"
	_, err = v.VerifyRequest(req)
	require.NoError(t, err)
}

func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Leeway: -1, MaxAge: time.Hour})
		req := signedRequest(t, httpsig.Config{Lifetime: time.Minute}, "https://api.example.com/")
		time.Sleep(59 * time.Second)
		_, err := v.VerifyRequest(req.Clone(t.Context()))
		require.NoError(t, err)
		req = signedRequest(t, httpsig.Config{Lifetime: time.Minute}, "https://api.example.com/")
		time.Sleep(time.Minute)
		_, err = v.VerifyRequest(req)
		requireReason(t, httpsig.OutOfTime, err)

		req = signedRequest(t, httpsig.Config{Lifetime: -1}, "https://api.example.com/")
		time.Sleep(time.Hour + time.Second)
		_, err = v.VerifyRequest(req)
		requireReason(t, httpsig.OutOfTime, err)
	})
	v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)})
	req := signedRequest(t, httpsig.Config{}, "https://api.example.com/")
	inputChange("created=", fmt.Sprintf("created=%d;x=", time.Now().Unix()+3600))(req)
	_, err := v.VerifyRequest(req)
	requireReason(t, httpsig.OutOfTime, err)
}

// nonces remembers what it has seen.
type nonces struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (n *nonces) use(_ context.Context, keyID, nonce string, until time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.seen[keyID+" "+nonce]; ok {
		return errors.New("seen")
	}
	n.seen[keyID+" "+nonce] = until
	return nil
}

func TestReplay(t *testing.T) {
	t.Parallel()
	n := &nonces{seen: map[string]time.Time{}}
	v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Nonce: n.use})
	req := signedRequest(t, httpsig.Config{}, "https://api.example.com/")
	body := req.Body
	s, err := v.VerifyRequest(req)
	require.NoError(t, err)
	require.Equal(t, s.Created.Add(httpsig.DefaultMaxAge+httpsig.DefaultLeeway), n.seen["k "+s.Nonce])
	require.NotNil(t, body)
	_, err = v.VerifyRequest(req)
	require.Error(t, err, "the body has been read")
	req = signedRequest(t, httpsig.Config{Components: []string{"@method", "@authority", "@path", "@query"}}, "https://api.example.com/")
	v = newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Nonce: n.use, DangerouslyUncoveredBody: true})
	_, err = v.VerifyRequest(req)
	require.NoError(t, err)
	_, err = v.VerifyRequest(req)
	requireReason(t, httpsig.Replayed, err)
	_, err = v.VerifyRequest(signedRequest(t, httpsig.Config{NoNonce: true}, "https://api.example.com/"))
	requireReason(t, httpsig.Replayed, err)
	// A forger uses no nonce up.
	known := len(n.seen)
	req = signedRequest(t, httpsig.Config{Secret: hidden(secret2)}, "https://api.example.com/")
	_, err = v.VerifyRequest(req)
	requireReason(t, httpsig.BadSignature, err)
	require.Len(t, n.seen, known)
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	both := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret, secret2)})
	for _, s := range [][]byte{secret, secret2} {
		_, err := both.VerifyRequest(signedRequest(t, httpsig.Config{Secret: hidden(s)}, "https://api.example.com/"))
		require.NoError(t, err)
	}
	// An id that nobody has, and no key for one: a signature with the key that
	// stands in for the missing one is of no use.
	for _, keys := range []httpsig.KeyFunc{secrets(t), httpsig.Keys(nil), secrets(t, secret2)} {
		for _, s := range [][]byte{secret, make([]byte, 32)} {
			_, err := newVerifier(t, httpsig.VerifierConfig{Keys: keys}).VerifyRequest(signedRequest(t, httpsig.Config{Secret: hidden(s)}, "https://api.example.com/"))
			requireReason(t, httpsig.BadSignature, err)
		}
	}
	// The zero Key verifies nothing.
	keys := httpsig.Keys(map[string][]httpsig.Key{"k": {{}}})
	_, err := newVerifier(t, httpsig.VerifierConfig{Keys: keys}).VerifyRequest(signedRequest(t, httpsig.Config{}, "https://api.example.com/"))
	requireReason(t, httpsig.BadSignature, err)

	down := errors.New("down")
	v := newVerifier(t, httpsig.VerifierConfig{Keys: func(context.Context, string) ([]httpsig.Key, error) { return nil, down }})
	_, err = v.VerifyRequest(signedRequest(t, httpsig.Config{}, "https://api.example.com/"))
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, httpsig.ErrInvalid)
}

func TestSeveralSignatures(t *testing.T) {
	t.Parallel()
	ours := newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k", Label: "ours", Tag: "app"})
	proxys := newSigner(t, httpsig.Config{Secret: hidden(secret2), KeyID: "proxy", Label: "proxy", Components: []string{"@method", `signature;key="ours"`}})
	chain := func(next http.RoundTripper) http.RoundTripper { return ours.Wrap(proxys.Wrap(next)) }
	get := func() *http.Request {
		return received(t, chain, newRequest(t, "GET", "https://api.example.com/", ""))
	}
	for _, c := range []httpsig.VerifierConfig{{}, {Label: "ours"}, {Tag: "app"}} {
		c.Keys = secrets(t, secret)
		s, err := newVerifier(t, c).VerifyRequest(get())
		require.NoError(t, err)
		require.Equal(t, "ours", s.Label)
	}
	for _, c := range []httpsig.VerifierConfig{{Label: "theirs"}, {Tag: "other"}} {
		c.Keys = secrets(t, secret)
		_, err := newVerifier(t, c).VerifyRequest(get())
		requireReason(t, httpsig.Missing, err)
	}
	req := get()
	for i := range 5 {
		req.Header.Add("Signature-Input", fmt.Sprintf("x%d=()", i))
		req.Header.Add("Signature", fmt.Sprintf("x%d=::", i))
	}
	_, err := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)}).VerifyRequest(req)
	requireReason(t, httpsig.Malformed, err)
}

func TestComponents(t *testing.T) {
	t.Parallel()
	c := httpsig.Config{Secret: hidden(secret), KeyID: "k", Components: []string{
		"@method", "content-digest", "content-digest;sf", `content-digest;key="sha-256"`, "x-list", "x-list;bs", `x-dict;key="b"`, "x-empty",
		`@query-param;name="a"`, `@query-param;name="empty"`, `@query-param;name="fa%C3%A7ade%22%3A%20"`, "x-umlaut;bs",
	}}
	req := newRequest(t, "POST", "https://api.example.com/?a=with+plus%20space&empty=&fa%C3%A7ade%22%3A%20=something", "body")
	req.Header = http.Header{"X-List": {" one , two ", "three"}, "X-Dict": {"a=1, b=(1 2.50);x;y=?0"}, "X-Empty": {""}, "X-Umlaut": {"ä"}}
	get := func() *http.Request {
		var err error
		req.Body, err = req.GetBody()
		require.NoError(t, err)
		return received(t, newSigner(t, c).Wrap, req)
	}
	got := get()
	_, err := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Components: c.Components}).VerifyRequest(got)
	require.NoError(t, err)

	// Another spelling of a parameter is the same; lines that are joined are not
	// if each was signed on its own.
	got = get()
	got.RequestURI = "/?a=with%20plus+space&empty&fa%c3%a7ade%22:+=something"
	_, err = newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Components: []string{}}).VerifyRequest(got)
	require.NoError(t, err)
	got = get()
	got.Header["X-List"] = []string{"one , two, three"}
	_, err = newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret), Components: []string{}}).VerifyRequest(got)
	requireReason(t, httpsig.BadSignature, err)
}

// A response can be bound to the request that it answers.
func TestResponse(t *testing.T) {
	t.Parallel()
	server := newSigner(t, httpsig.Config{Key: edKey, KeyID: "server", Label: "resp", Components: []string{"@status", "content-digest", "@method;req", "@path;req", `signature;req;key="sig1"`}})
	key, err := httpsig.PublicKey(httpsig.Ed25519, edKey.Public())
	require.NoError(t, err)
	v := newVerifier(t, httpsig.VerifierConfig{Keys: httpsig.Keys(map[string][]httpsig.Key{"server": {key}}), Components: []string{"@status", `signature;req;key="sig1"`}})
	exchange := func(path string) *http.Response {
		req := newRequest(t, "POST", "https://api.example.com"+path, "body")
		sent := roundTrip(t, newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k"}).Wrap, req)
		resp := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("answer")), Request: sent}
		require.NoError(t, server.SignResponse(resp))
		return resp
	}
	one, other := exchange("/a"), exchange("/a")
	_, err = v.VerifyResponse(t.Context(), one)
	require.NoError(t, err)
	body, err := io.ReadAll(one.Body)
	require.NoError(t, err)
	require.Equal(t, "answer", string(body))

	other.Request = exchange("/a").Request
	_, err = v.VerifyResponse(t.Context(), other)
	requireReason(t, httpsig.BadSignature, err)
	other.Request = nil
	_, err = v.VerifyResponse(t.Context(), other)
	requireReason(t, httpsig.Malformed, err)
	unpacked := exchange("/a")
	unpacked.Uncompressed = true
	_, err = v.VerifyResponse(t.Context(), unpacked)
	requireReason(t, httpsig.BadBody, err)

	require.Error(t, server.SignResponse(&http.Response{StatusCode: http.StatusOK}), "there is no request")
}

func TestHandler(t *testing.T) {
	t.Parallel()
	for want, keys := range map[int]httpsig.KeyFunc{
		200: secrets(t, secret),
		401: secrets(t, secret2),
		503: func(context.Context, string) ([]httpsig.Key, error) { return nil, errors.New("down") },
	} {
		var refused error
		h := newVerifier(t, httpsig.VerifierConfig{Keys: keys}).Handler(func(_ *http.Request, err error) { refused = err })(
			http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				s, ok := httpsig.FromContext(req.Context())
				require.True(t, ok)
				require.Equal(t, "k", s.KeyID)
				_, _ = io.Copy(w, req.Body)
			}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, signedRequest(t, httpsig.Config{}, "https://api.example.com/"))
		require.Equal(t, want, w.Code)
		require.Equal(t, want == 200, refused == nil)
		if want == 200 {
			require.Equal(t, "body", w.Body.String())
		}
	}
	_, ok := httpsig.FromContext(t.Context())
	require.False(t, ok)
}

func failing(err error) httpsig.KeyFunc {
	return func(context.Context, string) ([]httpsig.Key, error) { return nil, err }
}
