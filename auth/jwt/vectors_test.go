package jwt_test

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

// The claims of RFC 7519, section 3.1, which the examples of RFC 7515 sign.
const rfcClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

// RFC 7515, appendix A.
const (
	a1Token  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcClaims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	a1Secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	a2Token  = "eyJhbGciOiJSUzI1NiJ9." + rfcClaims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	a2Key    = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	a3Token  = "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	a3Key    = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	a4Token  = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
	a4Key    = `{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	// A.6 is the JSON serialization; only its beginning matters here.
	a6Token = `{"payload":"` + rfcClaims + `","signatures":[{"protected":"eyJhbGciOiJSUzI1NiJ9","header":{"kid":"2010-12-29"},"signature":"cC4hiUPoj9Eetdgtv3hF80EGrhuB"}]}`
	// A.5 is a token that nobody signed.
	a5Token = "eyJhbGciOiJub25lIn0." + rfcClaims + "."
)

// RFC 8037, appendix A.
const (
	edSeed       = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	edKey        = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	edThumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	edToken      = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

// RFC 7638, section 3.1.
const (
	thumbKey   = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
)

func raw(t testing.TB, s string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return data
}

// set makes a key set of JWKs.
func set(t testing.TB, jwks ...string) jwt.KeySet {
	t.Helper()
	keys, ignored, err := jwt.ParseKeySet([]byte(`{"keys":[` + strings.Join(jwks, ",") + `]}`))
	require.NoError(t, err)
	require.Zero(t, ignored)
	return keys
}

func secretSet(t testing.TB, id string, alg jwt.Algorithm, secret []byte) jwt.KeySet {
	t.Helper()
	k, err := jwt.SecretKey(id, alg, hidden(secret))
	require.NoError(t, err)
	return jwt.KeySet{k}
}

func requireReason(t testing.TB, want jwt.Reason, err error) {
	t.Helper()
	var e *jwt.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, jwt.ErrInvalid)
	require.Equal(t, want, e.Reason, "%v", err)
}

func TestRFCSignatures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		token   string
		keys    jwt.KeySet
		alg     jwt.Algorithm
		payload string
	}{
		"RFC 7515 A.1, RFC 7519 3.1": {a1Token, secretSet(t, "", jwt.HS256, raw(t, a1Secret)), jwt.HS256, string(raw(t, rfcClaims))},
		"RFC 7515 A.2":               {a2Token, set(t, a2Key), jwt.RS256, string(raw(t, rfcClaims))},
		"RFC 7515 A.3":               {a3Token, set(t, a3Key), jwt.ES256, string(raw(t, rfcClaims))},
		"RFC 7515 A.4":               {a4Token, set(t, a4Key), jwt.ES512, "Payload"},
		"RFC 8037 A.5":               {edToken, set(t, edKey), jwt.EdDSA, "Example of Ed25519 signing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := jwt.VerifyJWS(t.Context(), tt.token, tt.keys, tt.alg)
			require.NoError(t, err)
			require.Equal(t, tt.payload, string(m.Payload))
			require.Equal(t, tt.alg, m.Algorithm)

			head, rest, _ := strings.Cut(tt.token, ".")
			_, tail, _ := strings.Cut(rest, ".")
			_, err = jwt.VerifyJWS(t.Context(), head+".QUFB."+tail, tt.keys, tt.alg)
			requireReason(t, jwt.BadSignature, err)
		})
	}
}

func TestRFCRefused(t *testing.T) {
	t.Parallel()
	_, err := jwt.VerifyJWS(t.Context(), a6Token, set(t, a2Key), jwt.RS256)
	requireReason(t, jwt.Malformed, err)
	_, err = jwt.VerifyJWS(t.Context(), a5Token, set(t, a2Key), jwt.RS256)
	requireReason(t, jwt.Malformed, err)
}

// A bubble's clock starts in the year 2000, when the token of RFC 7519 was yet
// to expire.
func TestRFCToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, err := jwt.New(jwt.Config{
			Keys: secretSet(t, "", jwt.HS256, raw(t, a1Secret)), Algorithms: []jwt.Algorithm{jwt.HS256},
			Issuer: "joe", DangerouslyAnyAudience: true,
		})
		require.NoError(t, err)
		token, err := v.Verify(t.Context(), a1Token)
		require.NoError(t, err)
		require.Equal(t, "joe", token.Issuer)
		require.Equal(t, int64(1300819380), token.Expiry.Unix())
		var root bool
		ok, err := token.Claim("http://example.com/is_root", &root)
		require.NoError(t, err)
		require.True(t, ok && root)

		time.Sleep(time.Until(token.Expiry))
		_, err = v.Verify(t.Context(), a1Token)
		require.NoError(t, err, "within the leeway")
		time.Sleep(jwt.DefaultLeeway)
		_, err = v.Verify(t.Context(), a1Token)
		requireReason(t, jwt.Expired, err)
	})
}

// Ed25519 signatures are deterministic, and so is our header.
func TestRFCSigned(t *testing.T) {
	t.Parallel()
	m, err := jwt.NewMinter(jwt.MinterConfig{Key: ed25519.NewKeyFromSeed(raw(t, edSeed))})
	require.NoError(t, err)
	token, err := m.SignJWS(t.Context(), []byte("Example of Ed25519 signing"))
	require.NoError(t, err)
	require.Equal(t, edToken, token)
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	public := func(jwk string) crypto.PublicKey {
		return jwt.Public(set(t, jwk)[0])
	}
	for jwk, want := range map[string]string{edKey: edThumbprint, thumbKey: thumbprint} {
		got, err := jwt.Thumbprint(public(jwk))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	// RFC 9449 gives the thumbprint of the key of its figure 2.
	got, err := jwt.Thumbprint(public(`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`))
	require.NoError(t, err)
	require.Equal(t, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", got)
	for _, bad := range []crypto.PublicKey{nil, []byte("secret"), ed25519.PublicKey("short")} {
		_, err := jwt.Thumbprint(bad)
		require.Error(t, err)
	}
	require.False(t, errors.Is(err, jwt.ErrInvalid))
}
