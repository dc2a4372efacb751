package jwt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

func FuzzVerify(f *testing.F) {
	keys := secretSet(f, "", jwt.HS256, secret)
	keys = append(keys, set(f, a2Key, a3Key, edKey)...)
	v, err := jwt.New(jwt.Config{Keys: keys, Algorithms: []jwt.Algorithm{jwt.HS256, jwt.RS256, jwt.ES256, jwt.EdDSA}, Issuer: issuer, Audiences: []string{audience}})
	require.NoError(f, err)
	good := hs256(hsHeader, payload(f, map[string]string{"exp": "253402300799", "x": "1"}), secret)
	for _, seed := range []string{a1Token, a2Token, a3Token, a4Token, a5Token, a6Token, edToken, good, good + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(t.Context(), token)
		if err != nil {
			require.ErrorIs(t, err, jwt.ErrInvalid)
			require.Nil(t, got)
			return
		}
		require.Equal(t, issuer, got.Issuer)
		// The text of a token is its identity: no other text is the same token.
		require.Equal(t, good, token)
	})
}

func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{a2Key, a3Key, a4Key, edKey, thumbKey, `{"kty":"oct","k":"AA"}`} {
		f.Add([]byte(`{"keys":[` + seed + `]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, err := jwt.ParseKeySet(data)
		if err != nil {
			require.Empty(t, keys)
		}
		for _, k := range keys {
			_, err := jwt.Thumbprint(jwt.Public(k))
			require.NoError(t, err)
		}
	})
}
