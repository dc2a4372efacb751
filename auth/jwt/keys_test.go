package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/jwt"
)

// The keys of the tests are made once: RSA keys cost time.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsaKey2 = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edPriv  = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// hidden makes a Secret of bytes.
func hidden(b []byte) auth.Secret { return auth.NewSecret(string(b)) }

var secret = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

const (
	issuer   = "https://issuer.example"
	audience = "https://api.example.com"
)

// claims are those of a token that the verifiers of the tests take.
func claims() jwt.Claims {
	return jwt.Claims{
		Issuer: issuer, Subject: "alice", Audience: []string{audience},
		Expiry: time.Now().Add(time.Minute), IssuedAt: time.Now(),
	}
}

func minter(t testing.TB, c jwt.MinterConfig) *jwt.Minter {
	t.Helper()
	m, err := jwt.NewMinter(c)
	require.NoError(t, err)
	return m
}

func sign(t testing.TB, m *jwt.Minter, c jwt.Claims) string {
	t.Helper()
	token, err := m.Sign(t.Context(), c)
	require.NoError(t, err)
	return token
}

func publicKey(t testing.TB, id string, alg jwt.Algorithm, public crypto.PublicKey) jwt.Key {
	t.Helper()
	k, err := jwt.PublicKey(id, alg, public)
	require.NoError(t, err)
	return k
}

func verifier(t testing.TB, keys jwt.KeySource, algorithms ...jwt.Algorithm) *jwt.Verifier {
	t.Helper()
	v, err := jwt.New(jwt.Config{Keys: keys, Algorithms: algorithms, Issuer: issuer, Audiences: []string{audience}})
	require.NoError(t, err)
	return v
}

func TestWeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	n := rsaKey().N
	for name, key := range map[string]crypto.PublicKey{
		"nil":                       nil,
		"a secret":                  secret,
		"a private key":             rsaKey(),
		"RSA of 1024 bits":          &rsa.PublicKey{N: new(big.Int).Rsh(n, 1024), E: 65537},
		"RSA of 16384 bits":         &rsa.PublicKey{N: new(big.Int).Lsh(n, 16384-2048), E: 65537},
		"RSA with exponent 1":       &rsa.PublicKey{N: n, E: 1},
		"RSA with even exponent":    &rsa.PublicKey{N: n, E: 65536},
		"RSA with even modulus":     &rsa.PublicKey{N: new(big.Int).Lsh(n, 1), E: 65537},
		"empty RSA":                 &rsa.PublicKey{},
		"nil RSA":                   (*rsa.PublicKey)(nil),
		"empty EC":                  &ecdsa.PublicKey{},
		"EC on P-224":               &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey,
		"short Ed25519":             ed25519.PublicKey(secret[:31]),
		"Ed25519 not reduced":       ed25519.PublicKey(raw(t, "7v__________________________________________f38")[:32]),
		"Ed25519 of small order":    ed25519.PublicKey(make([]byte, 32)),
		"Ed25519 neutral element":   ed25519.PublicKey(append([]byte{1}, make([]byte, 31)...)),
		"Ed25519 neutral, x signed": ed25519.PublicKey(append(append([]byte{1}, make([]byte, 30)...), 0x80)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jwt.PublicKey("k", "", key)
			require.Error(t, err)
			require.True(t, strings.HasPrefix(err.Error(), "jwt: "), err)
		})
	}
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		alg    jwt.Algorithm
		secret []byte
	}{
		"empty":               {jwt.HS256, nil},
		"four bytes":          {jwt.HS256, secret[:4]},
		"one too short":       {jwt.HS256, secret[:31]},
		"too short for HS384": {jwt.HS384, secret[:47]},
		"too short for HS512": {jwt.HS512, secret[:63]},
		"for RS256":           {jwt.RS256, secret},
		"for none":            {"none", secret},
		"PEM":                 {jwt.HS256, []byte("-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jwt.SecretKey("k", tt.alg, hidden(tt.secret))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "0123")
		})
	}
	k, err := jwt.SecretKey("k", "", hidden(secret))
	require.NoError(t, err)
	token := sign(t, minter(t, jwt.MinterConfig{Secret: hidden(secret), KeyID: "k"}), claims())
	_, err = verifier(t, jwt.KeySet{k}, jwt.HS256).Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestKeysDoNotPrintSecrets(t *testing.T) {
	t.Parallel()
	k, err := jwt.SecretKey("k", "", hidden(secret))
	require.NoError(t, err)
	m := minter(t, jwt.MinterConfig{Secret: hidden(secret)})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, &k, jwt.KeySet{k}, m, *m} {
			out := fmt.Sprintf(verb, value)
			require.NotContains(t, out, "01234567")
			require.NotContains(t, out, hex.EncodeToString(secret[:8]))
			require.NotContains(t, out, "48 49 50")
		}
	}
	data, err := json.Marshal([]any{k, jwt.KeySet{k}, m})
	require.NoError(t, err)
	require.NotContains(t, string(data), "0123")
	require.Contains(t, k.LogValue().String(), "secret of 64 bytes")
	require.Equal(t, "k", k.ID())
}

func TestParseKeySet(t *testing.T) {
	t.Parallel()
	good := `{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	with := func(members string) string { return strings.Replace(good, `"kid":"good"`, members, 1) }
	for name, bad := range map[string]string{
		"oct":                    `{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}`,
		"private":                with(`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`),
		"for encryption":         with(`"use":"enc"`),
		"use is no string":       with(`"use":1`),
		"key_ops for encryption": with(`"key_ops":["encrypt"]`),
		"key_ops empty":          with(`"key_ops":[]`),
		"key_ops no list":        with(`"key_ops":"verify"`),
		"alg of another type":    with(`"alg":"RS256"`),
		"alg none":               with(`"alg":"none"`),
		"alg unknown":            with(`"alg":"ES521"`),
		"kid is a number":        with(`"kid":1`),
		"kid of 64 KiB":          with(`"kid":"` + strings.Repeat("x", 64<<10) + `"`),
		"no object":              `7`,
		"unknown type":           `{"kty":"XYZ"}`,
		"no type":                `{}`,
		"x with padding":         `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`,
		"x with loose tail bits": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}`,
		"X25519":                 `{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"small RSA":              `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp","e":"AQAB"}`,
		"huge exponent":          strings.Replace(a2Key, "AQAB", "AQABAQABAQAB", 1),
		"exponent 1":             strings.Replace(a2Key, "AQAB", "AQ", 1),
		"off the curve":          strings.Replace(a3Key, "x_FEzRu9m36", "x_FEzRu9m37", 1),
		"short coordinate":       strings.Replace(a3Key, "x_FEzRu9m36H", "", 1),
		"unknown curve":          strings.Replace(a3Key, "P-256", "P-257", 1),
		"P-256 point as P-384":   strings.Replace(a3Key, "P-256", "P-384", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, ignored, err := jwt.ParseKeySet([]byte(`{"keys":[` + bad + `,` + good + `]}`))
			require.NoError(t, err)
			require.Equal(t, 1, ignored)
			require.Len(t, keys, 1)
			require.Equal(t, "good", keys[0].ID())
		})
	}
	for name, bad := range map[string]string{
		"HTML":           `<html>`,
		"empty":          ``,
		"list":           `[` + good + `]`,
		"no keys":        `{}`,
		"keys no list":   `{"keys":{}}`,
		"twice":          `{"keys":[],"keys":[` + good + `]}`,
		"twice in a key": `{"keys":[` + with(`"kid":"a","kid":"b"`) + `,` + good + `]}`,
		"in two cases":   `{"keys":[],"Keys":[` + good + `]}`,
		"trailing":       `{"keys":[` + good + `]}x`,
		"101 keys":       `{"keys":[` + good + strings.Repeat(","+good, 100) + `]}`,
		"1 MiB":          `{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`,
		"nested deeply":  `{"keys":[],"x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`,
		"not UTF-8":      "{\"keys\":[],\"x\":\"\xff\"}",
		"not terminated": `{"keys":[`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, _, err := jwt.ParseKeySet([]byte(bad))
			require.Error(t, err)
			require.Empty(t, keys)
			require.True(t, strings.HasPrefix(err.Error(), "jwt: "))
		})
	}
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	s := jwt.KeySet{publicKey(t, "a", "", edPriv().Public()), publicKey(t, "b", "", &p256().PublicKey), publicKey(t, "a", "", &rsaKey().PublicKey)}
	for kid, want := range map[string]int{"": 3, "a": 2, "b": 1, "c": 0, "A": 0} {
		found, err := s.Keys(context.Background(), kid, jwt.RS256)
		require.NoError(t, err)
		require.Len(t, found, want, kid)
	}
}
