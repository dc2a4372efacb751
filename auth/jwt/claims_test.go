package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		members map[string]string
		want    jwt.Reason // 0 for a good one
	}{
		"good":                  {nil, 0},
		"no exp":                {map[string]string{"exp": ""}, jwt.Expired},
		"EXP is not exp":        {map[string]string{"exp": "", "EXP": seconds(60)}, jwt.Expired},
		"exp and EXP":           {map[string]string{"EXP": seconds(6000)}, jwt.Malformed},
		"exp 1e300":             {map[string]string{"exp": "1e300"}, jwt.Malformed},
		"exp 1e400":             {map[string]string{"exp": "1e400"}, jwt.Malformed},
		"exp negative":          {map[string]string{"exp": "-1"}, jwt.Malformed},
		"exp string":            {map[string]string{"exp": fmt.Sprintf("%q", seconds(60))}, jwt.Malformed},
		"exp NaN":               {map[string]string{"exp": "NaN"}, jwt.Malformed},
		"exp null":              {map[string]string{"exp": "null"}, jwt.Malformed},
		"exp list":              {map[string]string{"exp": "[" + seconds(60) + "]"}, jwt.Malformed},
		"exp float":             {map[string]string{"exp": seconds(60) + ".5"}, 0},
		"exp zero":              {map[string]string{"exp": "0"}, jwt.Expired},
		"exp past":              {map[string]string{"exp": seconds(-3600)}, jwt.Expired},
		"nbf future":            {map[string]string{"nbf": seconds(3600)}, jwt.NotYetValid},
		"nbf string":            {map[string]string{"nbf": `"1"`}, jwt.Malformed},
		"iat future":            {map[string]string{"iat": seconds(3600)}, jwt.NotYetValid},
		"iat within the leeway": {map[string]string{"iat": seconds(10)}, 0},
		"aud list":              {map[string]string{"aud": `["x","` + audience + `"]`}, 0},
		"aud empty list":        {map[string]string{"aud": `[]`}, jwt.WrongAudience},
		"aud empty":             {map[string]string{"aud": `""`}, jwt.WrongAudience},
		"aud missing":           {map[string]string{"aud": ``}, jwt.WrongAudience},
		"aud of others":         {map[string]string{"aud": `["x","y"]`}, jwt.WrongAudience},
		"aud null":              {map[string]string{"aud": `null`}, jwt.Malformed},
		"aud list with null":    {map[string]string{"aud": `[null,"` + audience + `"]`}, jwt.Malformed},
		"aud object":            {map[string]string{"aud": `{"a":1}`}, jwt.Malformed},
		"aud longer":            {map[string]string{"aud": `"` + audience + `/x"`}, jwt.WrongAudience},
		"iss with a slash":      {map[string]string{"iss": `"` + issuer + `/"`}, jwt.WrongIssuer},
		"iss in capitals":       {map[string]string{"iss": `"` + strings.ToUpper(issuer) + `"`}, jwt.WrongIssuer},
		"iss missing":           {map[string]string{"iss": ``}, jwt.WrongIssuer},
		"iss number":            {map[string]string{"iss": `1`}, jwt.Malformed},
		"sub number":            {map[string]string{"sub": `1`}, jwt.Malformed},
		"Sub beside sub":        {map[string]string{"Sub": `"mallory"`}, jwt.Malformed},
		"scope list":            {map[string]string{"scope": `["a","b"]`}, 0},
		"scope number":          {map[string]string{"scope": `1`}, jwt.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := hsVerifier(t).Verify(t.Context(), hs256(hsHeader, payload(t, tt.members), secret))
			if tt.want == 0 {
				require.NoError(t, err)
				require.Equal(t, "alice", token.Subject)
				return
			}
			requireReason(t, tt.want, err)
			require.Nil(t, token)
		})
	}
	for _, bad := range []string{``, `[]`, `x`, `{}{}`, `{"iss":"a","iss":"b"}`} {
		_, err := hsVerifier(t).Verify(t.Context(), hs256(hsHeader, bad, secret))
		requireReason(t, jwt.Malformed, err)
	}
}

// A lone claim in another case is not the claim.
func TestClaimNamesAreExact(t *testing.T) {
	t.Parallel()
	token, err := hsVerifier(t).Verify(t.Context(), hs256(hsHeader, payload(t, map[string]string{"sub": "", "Sub": `"mallory"`, "role": `"admin"`, "n": "7"}), secret))
	require.NoError(t, err)
	require.Empty(t, token.Subject)
	var role string
	ok, err := token.Claim("role", &role)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "admin", role)
	ok, err = token.Claim("Role", &role)
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = token.Claim("n", &role)
	require.True(t, ok)
	require.ErrorContains(t, err, "jwt: ")
}

// A token that was made for one purpose is not good for another.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want, got string
		good      bool
	}{
		{"", ``, true},
		{"", `,"typ":"JWT"`, true},
		{"", `,"typ":"jwt"`, true},
		{"", `,"typ":"application/JWT"`, true},
		{"", `,"typ":"at+jwt"`, false},
		{"", `,"typ":"dpop+jwt"`, false},
		{"at+jwt", `,"typ":"at+jwt"`, true},
		{"at+jwt", `,"typ":"application/at+jwt"`, true},
		{"at+jwt", `,"typ":"AT+JWT"`, true},
		{"at+jwt", ``, false},
		{"at+jwt", `,"typ":"JWT"`, false},
		{"at+jwt", `,"typ":"dpop+jwt"`, false},
		{"at+jwt", `,"typ":"application/application/at+jwt"`, false},
		{"at+jwt", `,"typ":"at+jwt "`, false},
	} {
		v, err := jwt.New(jwt.Config{Keys: secretSet(t, "", "", secret), Algorithms: []jwt.Algorithm{jwt.HS256}, Issuer: issuer, Audiences: []string{audience}, Type: tt.want})
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), hs256(`{"alg":"HS256"`+tt.got+`}`, payload(t, nil), secret))
		if tt.good {
			require.NoError(t, err, "%+v", tt)
		} else {
			requireReason(t, jwt.WrongType, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := jwt.New(jwt.Config{MaxBytes: -1, Algorithms: []jwt.Algorithm{"none", "hs256"}})
	require.Error(t, err)
	for _, part := range []string{"Config.Keys", `"none"`, `"hs256"`, "Config.Issuer", "Config.Audiences", "Config.MaxBytes"} {
		require.ErrorContains(t, err, part)
	}
	_, err = jwt.New(jwt.Config{})
	require.ErrorContains(t, err, "list of algorithms is empty")
	_, err = jwt.New(jwt.Config{Keys: jwt.KeySet{}, Algorithms: []jwt.Algorithm{jwt.EdDSA}, DangerouslyAnyIssuer: true, DangerouslyAnyAudience: true})
	require.NoError(t, err)
	_, err = jwt.VerifyJWS(t.Context(), a2Token, nil, jwt.RS256)
	require.Error(t, err)
	_, err = jwt.VerifyJWS(t.Context(), a2Token, set(t, a2Key))
	require.Error(t, err)
}

func TestDangerousOptions(t *testing.T) {
	t.Parallel()
	v, err := jwt.New(jwt.Config{
		Keys: secretSet(t, "", "", secret), Algorithms: []jwt.Algorithm{jwt.HS256}, Leeway: -1, MaxBytes: 100,
		DangerouslyAnyIssuer: true, DangerouslyAnyAudience: true, DangerouslyNoExpiry: true,
	})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), hs256(hsHeader, `{}`, secret))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), hs256(hsHeader, fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()), secret))
	requireReason(t, jwt.Expired, err)
	_, err = v.Verify(t.Context(), hs256(hsHeader, `{"x":"`+strings.Repeat("x", 100)+`"}`, secret))
	requireReason(t, jwt.Malformed, err)
}

type failingSource struct{ err error }

func (s failingSource) Keys(context.Context, string, jwt.Algorithm) ([]jwt.Key, error) {
	return nil, s.err
}

func TestKeysError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	v := verifier(t, failingSource{broken}, jwt.HS256)
	_, err := v.Verify(t.Context(), hs256(hsHeader, payload(t, nil), secret))
	var e *jwt.KeysError
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, jwt.ErrInvalid)
	require.True(t, e.Retryable())

	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, err = v.Verify(ctx, hs256(hsHeader, payload(t, nil), secret))
	require.Equal(t, gone, err)
}
