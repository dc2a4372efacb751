package httpsig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

func newHMAC(t testing.TB, c httpsig.HMACConfig) *httpsig.HMAC {
	t.Helper()
	if c.Secret.IsZero() {
		c.Secret = hidden(secret)
	}
	h, err := httpsig.NewHMAC(c)
	require.NoError(t, err)
	return h
}

func newHMACVerifier(t testing.TB, c httpsig.HMACVerifierConfig) *httpsig.HMACVerifier {
	t.Helper()
	if c.Keys == nil {
		c.Keys = secrets(t, secret)
	}
	v, err := httpsig.NewHMACVerifier(c)
	require.NoError(t, err)
	return v
}

// The form is written down here once more, so that it cannot change by mistake.
func TestHMACForm(t *testing.T) {
	t.Parallel()
	got := roundTrip(t, newHMAC(t, httpsig.HMACConfig{KeyID: "k"}).Wrap, newRequest(t, "POST", "https://API.example.com:443/a%2Fb?q=1", "body"))
	sum := sha256.Sum256([]byte("body"))
	text := "POST\napi.example.com\n/a%2Fb\nq=1\n" + hex.EncodeToString(sum[:]) + "\n" + got.Header.Get("X-Timestamp") + "\n" + got.Header.Get("X-Nonce")
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	require.Equal(t, hex.EncodeToString(h.Sum(nil)), got.Header.Get("X-Signature"))
	require.Equal(t, "k", got.Header.Get("X-Key-Id"))
	require.NotEmpty(t, got.Header.Get("X-Nonce"))
}

func TestHMACOwnScheme(t *testing.T) {
	t.Parallel()
	scheme := httpsig.Scheme{
		Form:   func(p httpsig.Parts) string { return p.Timestamp + p.Method + p.Path + "?" + p.Query + p.BodyHash },
		Fields: httpsig.Fields{Timestamp: "API-Time", Signature: "API-Sign"},
		Encode: func(mac []byte) string { return "v1=" + base64.StdEncoding.EncodeToString(mac) },
	}
	keys, err := httpsig.SecretKey(hidden(secret))
	require.NoError(t, err)
	v := newHMACVerifier(t, httpsig.HMACVerifierConfig{Keys: httpsig.Keys(map[string][]httpsig.Key{"": {keys}}), Scheme: scheme})
	got := received(t, newHMAC(t, httpsig.HMACConfig{Scheme: scheme}).Wrap, newRequest(t, "GET", "https://api.example.com/a?b", ""))
	require.True(t, strings.HasPrefix(got.Header.Get("Api-Sign"), "v1="))
	require.Empty(t, got.Header.Get("X-Nonce"))
	_, err = v.VerifyRequest(got)
	require.NoError(t, err)
}

func TestHMACVerify(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   httpsig.Reason
	}{
		"nothing":            {func(*http.Request) {}, 0},
		"method":             {func(r *http.Request) { r.Method = "PUT" }, httpsig.BadSignature},
		"host":               {func(r *http.Request) { r.Host = "evil.example" }, httpsig.BadSignature},
		"host in capitals":   {func(r *http.Request) { r.Host = "API.EXAMPLE.COM" }, 0},
		"path":               {func(r *http.Request) { r.RequestURI = "/a%2fb?q=1" }, httpsig.BadSignature},
		"path into query":    {func(r *http.Request) { r.RequestURI = "/a%2Fb%3Fq=1" }, httpsig.BadSignature},
		"query":              {func(r *http.Request) { r.RequestURI = "/a%2Fb?q=2" }, httpsig.BadSignature},
		"body":               {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("BODY")) }, httpsig.BadSignature},
		"body too long":      {func(r *http.Request) { r.Body = io.NopCloser(endless{}) }, httpsig.BadBody},
		"nonce":              {set("X-Nonce", "other"), httpsig.BadSignature},
		"nonce gone":         {set("X-Nonce", ""), httpsig.Missing},
		"key id":             {set("X-Key-Id", "other"), httpsig.BadSignature},
		"signature gone":     {set("X-Signature", ""), httpsig.Missing},
		"signature short":    {set("X-Signature", "00"), httpsig.BadSignature},
		"signature twice":    {func(r *http.Request) { r.Header.Add("X-Signature", "00") }, httpsig.Malformed},
		"timestamp negative": {set("X-Timestamp", "-1"), httpsig.Malformed},
		"timestamp huge":     {set("X-Timestamp", "9223372036854775807"), httpsig.Malformed},
		"timestamp float":    {set("X-Timestamp", "1e9"), httpsig.Malformed},
		"timestamp zeros":    {func(r *http.Request) { r.Header.Set("X-Timestamp", "0"+r.Header.Get("X-Timestamp")) }, httpsig.Malformed},
		"timestamp old":      {set("X-Timestamp", "1"), httpsig.OutOfTime},
		"timestamp ahead":    {set("X-Timestamp", strconv.FormatInt(time.Now().Unix()+3600, 10)), httpsig.OutOfTime},
		"timestamp changed":  {set("X-Timestamp", strconv.FormatInt(time.Now().Unix()-3, 10)), httpsig.BadSignature},
		"no target":          {func(r *http.Request) { r.RequestURI = "*" }, httpsig.Malformed},
		"no host":            {func(r *http.Request) { r.Host = "" }, httpsig.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := received(t, newHMAC(t, httpsig.HMACConfig{KeyID: "k"}).Wrap, newRequest(t, "POST", "https://api.example.com/a%2Fb?q=1", "body"))
			tt.change(req)
			s, err := newHMACVerifier(t, httpsig.HMACVerifierConfig{MaxBody: 100}).VerifyRequest(req)
			if tt.want != 0 {
				requireReason(t, tt.want, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "k", s.KeyID)
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			require.Equal(t, "body", string(body))
		})
	}
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestHMACReplayAndAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &nonces{seen: map[string]time.Time{}}
		v := newHMACVerifier(t, httpsig.HMACVerifierConfig{Nonce: n.use, Leeway: -1})
		req := received(t, newHMAC(t, httpsig.HMACConfig{KeyID: "k"}).Wrap, newRequest(t, "GET", "https://api.example.com/", ""))
		time.Sleep(httpsig.DefaultMaxAge)
		_, err := v.VerifyRequest(req)
		require.NoError(t, err)
		_, err = v.VerifyRequest(req)
		requireReason(t, httpsig.Replayed, err)
		time.Sleep(time.Second)
		_, err = v.VerifyRequest(req)
		requireReason(t, httpsig.OutOfTime, err)
	})
}

func TestHMACKeys(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		keys httpsig.KeyFunc
		good bool
	}{
		"two in rotation": {secrets(t, secret2, secret), true},
		"another":         {secrets(t, secret2), false},
		"none":            {httpsig.Keys(nil), false},
		"zero key":        {httpsig.Keys(map[string][]httpsig.Key{"k": {{}}}), false},
	} {
		req := received(t, newHMAC(t, httpsig.HMACConfig{KeyID: "k"}).Wrap, newRequest(t, "GET", "https://api.example.com/", ""))
		_, err := newHMACVerifier(t, httpsig.HMACVerifierConfig{Keys: tt.keys}).VerifyRequest(req)
		if tt.good {
			require.NoError(t, err, name)
		} else {
			requireReason(t, httpsig.BadSignature, err)
		}
	}
	// What stands in for a missing key signs nothing.
	req := received(t, newHMAC(t, httpsig.HMACConfig{Secret: hidden(make([]byte, 32)), KeyID: "k"}).Wrap, newRequest(t, "GET", "https://api.example.com/", ""))
	_, err := newHMACVerifier(t, httpsig.HMACVerifierConfig{Keys: httpsig.Keys(nil)}).VerifyRequest(req)
	requireReason(t, httpsig.BadSignature, err)
	down := errors.New("down")
	_, err = newHMACVerifier(t, httpsig.HMACVerifierConfig{Keys: failing(down)}).VerifyRequest(req)
	require.ErrorIs(t, err, down)

	w := httptest.NewRecorder()
	newHMACVerifier(t, httpsig.HMACVerifierConfig{}).Handler(nil)(http.NotFoundHandler()).ServeHTTP(w, req)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

func TestNewHMAC(t *testing.T) {
	t.Parallel()
	bad := httpsig.Scheme{Fields: httpsig.Fields{KeyID: "X Key", Signature: "X-Signature"}}
	_, err := httpsig.NewHMAC(httpsig.HMACConfig{MaxBody: -1, Scheme: bad})
	for _, part := range []string{"at least 32 bytes, got 0", "Timestamp and Signature", "HMACConfig.KeyID", "MaxBody"} {
		require.ErrorContains(t, err, part)
	}
	bad.Fields.Timestamp = "X-Timestamp"
	_, err = httpsig.NewHMACVerifier(httpsig.HMACVerifierConfig{
		MaxAge: -1, Scheme: bad,
		Nonce: (&nonces{}).use,
	})
	for _, part := range []string{"Keys", `"X Key"`, "has no Nonce", "MaxAge"} {
		require.ErrorContains(t, err, part)
	}
}
