package httpsig_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

// What is signed is what net/http sends and receives, by both of its protocols.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	hm, err := httpsig.NewHMAC(httpsig.HMACConfig{Secret: hidden(secret), KeyID: "k"})
	require.NoError(t, err)
	hv, err := httpsig.NewHMACVerifier(httpsig.HMACVerifierConfig{Keys: secrets(t, secret)})
	require.NoError(t, err)
	s := newSigner(t, httpsig.Config{Secret: hidden(secret), KeyID: "k", Components: []string{
		"@method", "@authority", "@path", "@query", "@target-uri", "@request-target", "@scheme", "host", "content-digest", "content-type",
	}})
	v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)})
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var proto, body, trailer atomic.Value
			server := httptest.NewUnstartedServer(hv.Handler(nil)(v.Handler(nil)(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				data, _ := io.ReadAll(req.Body)
				proto.Store(req.Proto)
				body.Store(string(data))
				trailer.Store(req.Trailer.Get("X-Sum"))
			}))))
			server.EnableHTTP2 = h2
			server.StartTLS()
			t.Cleanup(server.Close)
			client := server.Client()
			client.Transport = s.Wrap(hm.Wrap(client.Transport))
			for what, change := range map[string]func(*http.Request){
				"plain":                func(*http.Request) {},
				"stream":               func(r *http.Request) { setBody(r, strings.NewReader("body"), -1) },
				"expect continue":      func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
				"another host":         func(r *http.Request) { r.Host = "Virtual.example.com:443" },
				"a host in the header": func(r *http.Request) { r.Header.Set("Host", "elsewhere.example") }, // it is not sent
				"trailer": func(r *http.Request) {
					setBody(r, strings.NewReader("body"), -1)
					r.Trailer = http.Header{"X-Sum": {"1"}}
				},
			} {
				req := newRequest(t, "POST", server.URL+"//a%2Fb/../%c3%a4?x=1&x=+%20;y", "body")
				req.Header.Set("Content-Type", "text/plain")
				change(req)
				resp, err := client.Do(req)
				require.NoError(t, err, what)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode, what)
				require.Equal(t, name, proto.Load())
				require.Equal(t, "body", body.Load(), what)
				require.Equal(t, req.Trailer.Get("X-Sum"), trailer.Load(), what)
			}
		})
	}
}

// A line that was folded on the way (RFC 9110, section 5.5) is the same field, and
// a length that was changed is another.
func TestFieldsRewrittenOnTheWay(t *testing.T) {
	t.Parallel()
	c := httpsig.Config{Secret: hidden(secret), KeyID: "k", Components: append(httpsig.DefaultComponents(), "x-text", "content-length")}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   httpsig.Reason
	}{
		"nothing":            {func(*http.Request) {}, 0},
		"folded":             {set("X-Text", "one\r\n two"), 0},
		"folded with a tab":  {set("X-Text", "one \n\t two"), 0},
		"space around":       {set("X-Text", " one two\t"), 0},
		"broken, not folded": {set("X-Text", "one\ntwo"), httpsig.Malformed},
		"NUL":                {set("X-Text", "one\x00two"), httpsig.Malformed},
		"more space in it":   {set("X-Text", "one  two"), httpsig.BadSignature},
		"another length":     {func(r *http.Request) { r.ContentLength = 99 }, httpsig.BadSignature},
		"no length":          {func(r *http.Request) { r.ContentLength = -1 }, httpsig.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, "POST", "https://api.example.com/", "body")
			req.Header.Set("X-Text", "one two")
			req.Header.Set("Content-Length", "1") // which net/http does not send
			got := received(t, newSigner(t, c).Wrap, req)
			got.Header.Del("Content-Length") // a server of net/http keeps it elsewhere
			tt.change(got)
			_, err := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret)}).VerifyRequest(got)
			if tt.want == 0 {
				require.NoError(t, err)
			} else {
				requireReason(t, tt.want, err)
			}
		})
	}
}

// An id that nobody has costs what one costs that there is: the same MAC is made,
// of the same text, and compared.
func TestUnknownIDTakesTheSamePath(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]httpsig.KeyFunc{"known": secrets(t, secret2), "unknown": httpsig.Keys(nil)} {
		var encoded, formed int
		var text string
		scheme := httpsig.Scheme{
			Form:   func(p httpsig.Parts) string { formed++; text = httpsig.Lines(p); return text },
			Encode: func(mac []byte) string { encoded++; return hex.EncodeToString(mac) },
		}
		v, err := httpsig.NewHMACVerifier(httpsig.HMACVerifierConfig{Keys: keys, Scheme: scheme})
		require.NoError(t, err)
		_, err = v.VerifyRequest(received(t, newHMAC(t, httpsig.HMACConfig{KeyID: "k"}).Wrap, newRequest(t, "GET", "https://api.example.com/", "")))
		requireReason(t, httpsig.BadSignature, err)
		require.EqualError(t, err, "httpsig: invalid signature: bad signature", name)
		require.Equal(t, 1, encoded, name)
		require.Equal(t, 1, formed, name)
		require.Contains(t, text, "api.example.com")
	}
}
