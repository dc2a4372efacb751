package fallback_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// sentBy returns the request that a To sends for req; nil if it sends none.
func sentBy(t *testing.T, base string, req *http.Request) *http.Request {
	t.Helper()
	mirror := rttest.NewScript()
	f, err := fallback.New(fallback.Config{Answers: []fallback.Answer{fallback.To(base, fallback.ToConfig{Transport: mirror})}})
	if err != nil {
		t.Skip("not a base URL")
	}
	_, _ = f.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})).RoundTrip(req)
	if calls := mirror.Calls(); len(calls) > 0 {
		return calls[0].Request
	}
	return nil
}

// No field whose name says that it is a credential leaves for another origin,
// however it is written.
func FuzzSecretFields(f *testing.F) {
	for _, name := range []string{"Authorization", "x-api-key", "X_AUTH", "Cookie", "X-Monkey", "Idempotency-Key", "ſecret", "K", "key-\xff", ""} {
		f.Add(name)
	}
	oracle := regexp.MustCompile(`(?i)token|secret|passw|cookie|credential|session|signature|authorization|api-?key|(^|[-_.])(key|auth|jwt|sig)($|[-_.])`)
	f.Fuzz(func(t *testing.T, name string) {
		sent := func(name string) bool {
			req := get(t)
			req.Header = http.Header{name: {"value"}}
			return len(sentBy(t, mirrorURL, req).Header) > 0
		}
		if strings.IndexFunc(name, func(r rune) bool { return r > '~' }) >= 0 {
			sent(name)
			return
		}
		require.Equal(t, sent(strings.ToLower(name)), sent(strings.ToUpper(name)), name)
		if lower := strings.ToLower(name); lower != "idempotency-key" && lower != "x-idempotency-key" && lower != "sec-websocket-key" {
			require.False(t, oracle.MatchString(name) && sent(name), name)
		}
	})
}

// A parameter that holds a credential keeps the request here, whatever else is
// in the query.
func FuzzSecretParameters(f *testing.F) {
	for _, query := range []string{"", "a=1", "a=%zz", "&&;", "q=%26", "a=b;c", "=", "page_token=3", "key", "\x00"} {
		f.Add(query, uint8(0))
	}
	secrets := []string{"api_key=1", "ACCESS_TOKEN=1", "%74oken=1", "X-Amz-Signature=1", "key", "client_secret=", "sig=a%26b"}
	f.Fuzz(func(t *testing.T, query string, which uint8) {
		secret := secrets[int(which)%len(secrets)]
		for _, q := range []string{query + "&" + secret, secret + ";" + query} {
			req := get(t)
			req.URL.RawQuery = q
			require.Nil(t, sentBy(t, mirrorURL, req), q)
		}
		req := get(t)
		req.URL.RawQuery = query
		if sent := sentBy(t, mirrorURL, req); sent != nil {
			require.Equal(t, query, sent.URL.RawQuery)
		}
	})
}

// The request goes to the other host, with the whole of its path behind that of
// the base.
func FuzzTarget(f *testing.F) {
	f.Add("https://b.example", "/x")
	f.Add("https://b.example/api/", "/a%2Fb//../ü")
	f.Add("http://b.example:80/x%2fy", "")
	f.Add("https://b.example//", "/%")
	f.Add("https://b.example/%zz", "/%41")
	f.Fuzz(func(t *testing.T, base, path string) {
		u, err := url.Parse("https://a.example" + path)
		if err != nil || u.Host != "a.example" {
			t.Skip("not a URL")
		}
		req := get(t)
		req.URL = u
		sent := sentBy(t, base, req)
		if sent == nil {
			t.Skip("passed")
		}
		b, err := url.Parse(base)
		require.NoError(t, err)
		require.Equal(t, b.Host, sent.URL.Host)
		require.Equal(t, b.Scheme, sent.URL.Scheme)
		want := b.EscapedPath()
		if u.Path != "" {
			want = strings.TrimSuffix(want, "/") + u.EscapedPath()
		}
		require.Equal(t, want, sent.URL.EscapedPath())
		again, err := url.Parse(sent.URL.String())
		require.NoError(t, err)
		require.Equal(t, sent.URL.Host, again.Host)
		require.Equal(t, sent.URL.EscapedPath(), again.EscapedPath())
	})
}

// What the peer writes into Cache-Control, Vary, Age and Date neither panics nor
// gets round a prohibition, and the Age that is served is a number of seconds.
func FuzzStoredFields(f *testing.F) {
	f.Add("max-age=1", "Accept", "7", "Thu, 01 Jan 1970 00:00:00 GMT")
	f.Add(`private="x`, "*", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Add(`a="b\"", NO-store`, ",,", "-1", "")
	f.Fuzz(func(t *testing.T, cacheControl, vary, age, date string) {
		recall := func(header ...string) *http.Response {
			w := newWorld(t, fallback.LastGoodConfig{})
			w.teach(t, get(t), rttest.Step{Body: "x", Header: header})
			resp, _ := w.recall(t, get(t))
			return resp
		}
		if resp := recall("Cache-Control", cacheControl, "Vary", vary, "Age", age, "Date", date); resp != nil {
			n, err := strconv.ParseUint(resp.Header.Get("Age"), 10, 32)
			require.NoError(t, err)
			require.LessOrEqual(t, n, uint64(1)<<31)
		}
		for _, forbidden := range []string{cacheControl + ",no-store", "No-Store ;," + cacheControl + ", NO-STORE = 1"} {
			require.Nil(t, recall("Cache-Control", forbidden), forbidden)
		}
		require.Nil(t, recall("Cache-Control", cacheControl, "Cache-Control", "no-store"))
		require.Nil(t, recall("Vary", vary+", *"))
	})
}
