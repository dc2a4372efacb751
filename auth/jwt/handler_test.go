package jwt_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	good := hs256(hsHeader, payload(t, map[string]string{"scope": `"read write"`}), secret)
	weak := hs256(hsHeader, payload(t, map[string]string{"scope": `"read"`}), secret)
	old := hs256(hsHeader, payload(t, map[string]string{"exp": `1`}), secret)
	const realm = `Bearer realm="api"`
	for name, tt := range map[string]struct {
		fields    []string
		status    int
		challenge string
		reason    string
	}{
		"good":             {[]string{"Bearer " + good}, 200, "", ""},
		"lower case":       {[]string{"bearer  " + good}, 200, "", ""},
		"nothing":          {nil, 401, realm, "no bearer token"},
		"empty":            {[]string{""}, 401, realm, "no bearer token"},
		"Basic":            {[]string{"Basic dTpw"}, 401, realm, "no bearer token"},
		"no token":         {[]string{"Bearer "}, 401, realm, "no bearer token"},
		"twice":            {[]string{"Bearer " + good, "Bearer " + good}, 400, realm + `, error="invalid_request"`, "several"},
		"expired":          {[]string{"Bearer " + old}, 401, realm + `, error="invalid_token", error_description="expired"`, "expired"},
		"with another":     {[]string{"Bearer " + good + ", Basic x"}, 401, realm + `, error="invalid_token", error_description="malformed"`, "malformed"},
		"hostile":          {[]string{`Bearer "` + "\r\nX-Evil: 1"}, 401, realm + `, error="invalid_token", error_description="malformed"`, "malformed"},
		"scope is missing": {[]string{"Bearer " + weak}, 403, realm + `, error="insufficient_scope", error_description="missing scope", scope="read write"`, "missing scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused error
			guard, err := hsVerifier(t).Handler(jwt.HandlerConfig{
				Scopes: []string{"read", "write"}, Realm: "api",
				Refused: func(_ *http.Request, err error) { refused = err },
			})
			require.NoError(t, err)
			h := guard(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				token, ok := jwt.FromContext(req.Context())
				require.True(t, ok)
				require.Equal(t, "alice", token.Subject)
			}))
			// A token in the query counts for nothing.
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?access_token="+good, http.NoBody)
			req.Header["Authorization"] = tt.fields
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			if tt.reason == "" {
				require.NoError(t, refused)
			} else {
				require.ErrorContains(t, refused, tt.reason)
			}
		})
	}
	_, ok := jwt.FromContext(t.Context())
	require.False(t, ok)
}

func TestHandlerWithoutKeys(t *testing.T) {
	t.Parallel()
	guard, err := verifier(t, failingSource{errors.New("secret detail")}, jwt.HS256).Handler(jwt.HandlerConfig{})
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	req.Header.Set("Authorization", "Bearer "+hs256(hsHeader, payload(t, nil), secret))
	w := httptest.NewRecorder()
	guard(http.NotFoundHandler()).ServeHTTP(w, req)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Empty(t, w.Header().Get("WWW-Authenticate"))
	require.NotContains(t, w.Body.String(), "secret detail")

	req.Header.Del("Authorization")
	w = httptest.NewRecorder()
	guard(http.NotFoundHandler()).ServeHTTP(w, req)
	require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
}

func TestHandlerConfig(t *testing.T) {
	t.Parallel()
	_, err := hsVerifier(t).Handler(jwt.HandlerConfig{Realm: "a\"b", Scopes: []string{"a b", "", "ä", "ok"}})
	for _, part := range []string{"Realm", "Scopes[0]", "Scopes[1]", "Scopes[2]"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "Scopes[3]")
}
