package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
)

// A key in the query is there once, and the other parameters are as they were.
func FuzzQueryKey(f *testing.F) {
	f.Add("key", "value", "a=1&key=2&b=%41;c&&k%65y=3&=")
	f.Fuzz(func(t *testing.T, name, value, query string) {
		a, err := auth.APIKey(auth.KeyConfig{Place: auth.InQuery, Name: name, Keys: pair(value, "")})
		if err != nil {
			return
		}
		req := &http.Request{URL: &url.URL{Scheme: "https", Host: "x", RawQuery: query}, Header: http.Header{}}
		require.NoError(t, a.Authorize(t.Context(), req))
		got, _ := url.ParseQuery(req.URL.RawQuery)
		require.Equal(t, []string{value}, got[name], "%q", req.URL.RawQuery)
		before, _ := url.ParseQuery(query)
		delete(before, name)
		delete(got, name)
		require.Equal(t, before, got)
	})
}

// A key in a cookie is there once, and can be read back.
func FuzzCookieKey(f *testing.F) {
	f.Add("sid", "value", "a=1; sid=2;b ; sid")
	f.Add("sid", "value", "sid\n=1; \r\nsid=2")
	f.Fuzz(func(t *testing.T, name, value, cookies string) {
		if strings.Count(cookies, ";") > 1000 {
			return // net/http reads none of them
		}
		a, err := auth.APIKey(auth.KeyConfig{Place: auth.InCookie, Name: name, Keys: pair(value, "")})
		if err != nil {
			return
		}
		req := &http.Request{URL: &url.URL{}, Header: http.Header{"Cookie": {cookies}}}
		require.NoError(t, a.Authorize(t.Context(), req))
		require.Len(t, req.Header["Cookie"], 1)
		got := req.CookiesNamed(name)
		require.Len(t, got, 1, "%q", req.Header["Cookie"])
		require.Equal(t, value, got[0].Value)
	})
}

// What a file gives can be sent.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("\ufeffone\r\ntwo\n"))
	path := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		file, err := auth.NewKeyFile(auth.KeyFileConfig{Path: path})
		if err != nil {
			return
		}
		keys, err := file.Keys(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, keys.First.Reveal())
		require.Equal(t, keys.First.Reveal(), strings.Join(strings.Fields(keys.First.Reveal()), ""))
		a, err := auth.APIKey(auth.KeyConfig{Name: "X-Key", Keys: keys})
		require.NoError(t, err, "what the file gives can be sent")
		require.NotNil(t, a)
	})
}

// What is sent decodes to what was given.
func FuzzBasic(f *testing.F) {
	f.Add("Aladdin", "open sesame", false)
	f.Add("test", "123£", true)
	f.Fuzz(func(t *testing.T, user, password string, latin1 bool) {
		a, err := auth.Basic(auth.BasicConfig{User: auth.NewSecret(user), Password: auth.NewSecret(password), Latin1: latin1})
		if err != nil {
			return
		}
		value, ok := strings.CutPrefix(authorized(t, a, "https://x/").Header.Get("Authorization"), "Basic ")
		require.True(t, ok)
		raw, err := base64.StdEncoding.DecodeString(value)
		require.NoError(t, err)
		got, rest, _ := strings.Cut(string(raw), ":")
		if !latin1 {
			require.Equal(t, user, got)
			require.Equal(t, password, rest)
		}
	})
}

// No error carries the value of a query, however odd the URL.
func FuzzURLInErrors(f *testing.F) {
	f.Add("https://user:pass@api.example.com/p", "key")
	f.Add("://%zz@", "a=b&c;d#")
	f.Fuzz(func(t *testing.T, before, name string) {
		const secret = "canary7x9"
		if strings.Contains(before+name, secret) {
			return
		}
		failure := errors.New("failure")
		leaky := &url.Error{Op: "Get", URL: before + "?" + name + "=" + secret, Err: failure}
		for _, err := range []error{leaky, fmt.Errorf("wrapped: %w", leaky), &url.Error{Op: "Get", URL: "x", Err: leaky}} {
			err := error(&auth.TokenError{Kind: auth.Transient, Err: err})
			require.NotContains(t, fmt.Sprintf("%v %+v %#v %q", err, err, errors.Unwrap(err), err), secret)
			require.ErrorIs(t, err, failure)
			u, ok := errors.AsType[*url.Error](err)
			require.True(t, ok)
			require.NotContains(t, u.Error(), secret)
		}
	})
}
