package jwt_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
)

func b64(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// hs256 makes a token of any header and payload.
func hs256(header, payload string, secret []byte) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// seconds returns the date that lies so far ahead.
func seconds(ahead int64) string { return strconv.FormatInt(time.Now().Unix()+ahead, 10) }

// payload returns good claims with some members replaced; "" takes one out.
func payload(t testing.TB, members map[string]string) string {
	t.Helper()
	all := map[string]string{
		"iss": `"` + issuer + `"`, "aud": `"` + audience + `"`, "sub": `"alice"`,
		"exp": seconds(60),
	}
	maps.Copy(all, members)
	var list []string
	for name, value := range all {
		if value != "" {
			list = append(list, fmt.Sprintf("%q:%s", name, value))
		}
	}
	slices.Sort(list) // the processes of a fuzz test must make the same
	return "{" + strings.Join(list, ",") + "}"
}

const hsHeader = `{"alg":"HS256"}`

func hsVerifier(t testing.TB) *jwt.Verifier {
	t.Helper()
	return verifier(t, secretSet(t, "", jwt.HS256, secret), jwt.HS256)
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key  crypto.Signer
		algs []jwt.Algorithm
	}{
		{rsaKey(), []jwt.Algorithm{jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512}},
		{p256(), []jwt.Algorithm{jwt.ES256}},
		{p384(), []jwt.Algorithm{jwt.ES384}},
		{p521(), []jwt.Algorithm{jwt.ES512}},
		{edPriv(), []jwt.Algorithm{jwt.EdDSA}},
		{nil, []jwt.Algorithm{jwt.HS256, jwt.HS384, jwt.HS512}},
	} {
		for _, alg := range tt.algs {
			t.Run(string(alg), func(t *testing.T) {
				t.Parallel()
				c := jwt.MinterConfig{Key: tt.key, Algorithm: alg, KeyID: "k", Type: "JWT"}
				var keys jwt.KeySet
				if tt.key == nil {
					c.Secret, keys = hidden(secret), secretSet(t, "k", alg, secret)
				} else {
					keys = jwt.KeySet{publicKey(t, "k", alg, tt.key.Public())}
				}
				token := sign(t, minter(t, c), claims())
				got, err := verifier(t, keys, alg).Verify(t.Context(), token)
				require.NoError(t, err)
				require.Equal(t, alg, got.Algorithm)
				require.Equal(t, "k", got.KeyID)
				require.Equal(t, "JWT", got.Type)

				// Nothing else on the list lets it through.
				var others []jwt.Algorithm
				for _, a := range []jwt.Algorithm{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
					if a != alg {
						others = append(others, a)
					}
				}
				_, err = verifier(t, keys, others...).Verify(t.Context(), token)
				requireReason(t, jwt.WrongAlgorithm, err)
				// Nor does a header that names another algorithm (PS for RS and so on).
				_, rest, _ := strings.Cut(token, ".")
				for _, a := range others {
					_, err := verifier(t, keys, others...).Verify(t.Context(), b64(`{"alg":"`+string(a)+`","kid":"k"}`)+"."+rest)
					require.ErrorIs(t, err, jwt.ErrInvalid, a)
				}
			})
		}
	}
}

func TestAlgorithmNone(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{`"none"`, `"NONE"`, `"None"`, `"nOnE"`, `""`, `null`, `0`, `["HS256"]`, `{"a":"HS256"}`, `"HS256 "`, `"hs256"`} {
		for _, signature := range []string{"", "AA", strings.Repeat("A", 43)} {
			token := b64(`{"alg":`+alg+`}`) + "." + b64(payload(t, nil)) + "." + signature
			_, err := hsVerifier(t).Verify(t.Context(), token)
			require.ErrorIs(t, err, jwt.ErrInvalid, alg)
		}
		_, err := hsVerifier(t).Verify(t.Context(), hs256(`{"alg":`+alg+`}`, payload(t, nil), secret))
		require.ErrorIs(t, err, jwt.ErrInvalid, alg)
	}
	_, err := hsVerifier(t).Verify(t.Context(), hs256(`{"typ":"JWT"}`, payload(t, nil), secret))
	requireReason(t, jwt.Malformed, err)
	_, err = hsVerifier(t).Verify(t.Context(), hs256(hsHeader, payload(t, nil), secret))
	require.NoError(t, err, "the tests above would have passed otherwise")
}

// The public key is known to everybody. Whatever its form, it is no secret.
func TestPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	public := &rsaKey().PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	jwk, err := json.Marshal(map[string]string{"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(public.N.Bytes())})
	require.NoError(t, err)
	keys := jwt.KeySet{publicKey(t, "", "", public)}
	for name, secret := range map[string][]byte{
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"PKCS1":   x509.MarshalPKCS1PublicKey(public),
		"DER":     der,
		"JWK":     jwk,
		"modulus": public.N.Bytes(),
		"empty":   nil,
	} {
		token := hs256(hsHeader, payload(t, nil), secret)
		_, err := verifier(t, keys, jwt.RS256).Verify(t.Context(), token)
		requireReason(t, jwt.WrongAlgorithm, err)
		_, err = verifier(t, keys, jwt.RS256, jwt.HS256).Verify(t.Context(), token)
		requireReason(t, jwt.UnknownKey, err)
		require.NotEmpty(t, name)
	}
}

func TestKeyOfAnotherCurve(t *testing.T) {
	t.Parallel()
	_, err := jwt.PublicKey("k", jwt.ES256, &p384().PublicKey)
	require.Error(t, err)
	token := sign(t, minter(t, jwt.MinterConfig{Key: p384()}), claims())
	_, rest, _ := strings.Cut(token, ".")
	keys := jwt.KeySet{publicKey(t, "", "", &p384().PublicKey)}
	_, err = verifier(t, keys, jwt.ES256, jwt.ES384).Verify(t.Context(), b64(`{"alg":"ES256"}`)+"."+rest)
	requireReason(t, jwt.UnknownKey, err)
}

func TestSaltLength(t *testing.T) {
	t.Parallel()
	for salt, good := range map[int]bool{0: false, 20: false, 32: true, 64: false} {
		input := b64(`{"alg":"PS256"}`) + "." + b64(payload(t, nil))
		digest := sha256.Sum256([]byte(input))
		opts := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
		if salt == 0 {
			// Zero means automatic to crypto/rsa, which takes the longest.
			opts.SaltLength = rsa.PSSSaltLengthAuto
		}
		signature, err := rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, digest[:], opts)
		require.NoError(t, err)
		_, err = verifier(t, jwt.KeySet{publicKey(t, "", "", &rsaKey().PublicKey)}, jwt.PS256).
			Verify(t.Context(), input+"."+base64.RawURLEncoding.EncodeToString(signature))
		if good {
			require.NoError(t, err)
		} else {
			requireReason(t, jwt.BadSignature, err)
		}
	}
}

func TestSignaturesOfECDSA(t *testing.T) {
	t.Parallel()
	keys := jwt.KeySet{publicKey(t, "", "", &p256().PublicKey)}
	input := b64(`{"alg":"ES256"}`) + "." + b64(payload(t, nil))
	digest := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, p256(), digest[:])
	require.NoError(t, err)
	n := elliptic.P256().Params().N.Bytes()
	zero := make([]byte, 32)
	for name, signature := range map[string][]byte{
		"DER":                der,
		"zero":               make([]byte, 64),
		"r is zero":          append(append([]byte{}, zero...), n...),
		"s is zero":          append(append([]byte{}, n...), zero...),
		"order twice":        append(append([]byte{}, n...), n...),
		"short":              make([]byte, 63),
		"long":               make([]byte, 65),
		"as long as P-384's": make([]byte, 96),
		"one byte":           {1},
		"four times":         bytes.Repeat([]byte{1}, 256),
	} {
		_, err := verifier(t, keys, jwt.ES256).Verify(t.Context(), input+"."+base64.RawURLEncoding.EncodeToString(signature))
		requireReason(t, jwt.BadSignature, err)
		require.NotEmpty(t, name)
	}
}

func TestKeyIDs(t *testing.T) {
	t.Parallel()
	keys := jwt.KeySet{
		publicKey(t, "k", "", &p256().PublicKey), // of one id with the next
		publicKey(t, "k", "", edPriv().Public()),
		publicKey(t, "other", "", &rsaKey().PublicKey),
	}
	v := verifier(t, keys, jwt.EdDSA, jwt.ES256, jwt.RS256)
	for _, key := range []crypto.Signer{p256(), edPriv()} {
		_, err := v.Verify(t.Context(), sign(t, minter(t, jwt.MinterConfig{Key: key, KeyID: "k"}), claims()))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), sign(t, minter(t, jwt.MinterConfig{Key: key}), claims()))
		require.NoError(t, err, "without an id every key is tried")
		_, err = v.Verify(t.Context(), sign(t, minter(t, jwt.MinterConfig{Key: key, KeyID: "other"}), claims()))
		requireReason(t, jwt.UnknownKey, err)
	}
	for kid, want := range map[string]jwt.Reason{
		`"../../dev/null"`:                      jwt.UnknownKey,
		`"' OR 1=1 --"`:                         jwt.UnknownKey,
		`"ключ\u0000"`:                          jwt.UnknownKey,
		`"K"`:                                   jwt.UnknownKey,
		`7`:                                     jwt.Malformed,
		`null`:                                  jwt.Malformed,
		`["k"]`:                                 jwt.Malformed,
		`"` + strings.Repeat("k", 257) + `"`:    jwt.Malformed,
		`"` + strings.Repeat("k", 64<<10) + `"`: jwt.Malformed,
	} {
		_, err := v.Verify(t.Context(), b64(`{"alg":"EdDSA","kid":`+kid+`}`)+"."+b64(payload(t, nil))+"."+strings.Repeat("A", 86))
		requireReason(t, want, err)
	}
	// A key source that answers with too many keys costs no more than a few tries.
	var many jwt.KeySet
	for range 20 {
		many = append(many, publicKey(t, "", "", &p256().PublicKey))
	}
	_, err := verifier(t, many, jwt.ES256).Verify(t.Context(), b64(`{"alg":"ES256"}`)+"."+b64(payload(t, nil))+"."+strings.Repeat("A", 86))
	requireReason(t, jwt.UnknownKey, err)
}

// What a header says about where its key is to be found is not listened to.
func TestHeaderKeysAreIgnored(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(connections)
				return
			}
			connections <- struct{}{}
			_ = c.Close()
		}
	}()
	attacker := rsaKey2()
	own := `{"kty":"RSA","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(attacker.N.Bytes()) + `"}`
	v := verifier(t, jwt.KeySet{publicKey(t, "k", "", &rsaKey().PublicKey)}, jwt.RS256)
	for _, member := range []string{
		`"jku":"http://` + l.Addr().String() + `/jwks"`, `"jku":"http://169.254.169.254/"`, `"jku":"file:///etc/passwd"`,
		`"x5u":"http://` + l.Addr().String() + `/cert"`, `"jwk":` + own, `"x5c":["MIIB"]`, `"x5t":"AA","x5t#S256":"AA"`,
	} {
		for _, kid := range []string{"", `,"kid":"k"`} {
			input := b64(`{"alg":"RS256",`+member+kid+`}`) + "." + b64(payload(t, nil))
			digest := sha256.Sum256([]byte(input))
			signature, err := rsa.SignPKCS1v15(rand.Reader, attacker, crypto.SHA256, digest[:])
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), input+"."+base64.RawURLEncoding.EncodeToString(signature))
			requireReason(t, jwt.BadSignature, err)
		}
	}
	require.NoError(t, l.Close())
	_, connected := <-connections
	require.False(t, connected)
}

func TestHeaderIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		`{"alg":"HS256","crit":["exp"],"exp":1}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","crit":["alg"]}`,
		`{"alg":"HS256","crit":["a","a"],"a":1}`, `{"alg":"HS256","crit":null}`,
		`{"alg":"HS256","b64":false,"crit":["b64"]}`, `{"alg":"HS256","b64":false}`, `{"alg":"HS256","b64":true}`,
		`{"alg":"HS256","alg":"HS256"}`, `{"alg":"none","alg":"HS256"}`, `{"alg":"HS256","Alg":"none"}`, `{"alg":"HS256","ALG":"HS256"}`,
		`{"alg":"HS256","typ":1}`, `{"alg":"HS256","typ":null}`, `{"alg":"HS256","cty":1}`,
		`{"alg":"HS256"}{}`, `{"alg":"HS256"} x`, `["HS256"]`, `"HS256"`, ``, `null`, "\xef\xbb\xbf" + hsHeader, "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
		`{"alg":"HS256","x":{"a":1,"a":2}}`, `{"alg":"HS256","x":[{"a":1,"A":2}]}`, `{"alg":"HS256","k":1,"` + "\u212a" + `":2}`,
		`{"alg":"HS256","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		`{"alg":"HS256","x":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000) + `}`,
	} {
		_, err := hsVerifier(t).Verify(t.Context(), hs256(header, payload(t, nil), secret))
		requireReason(t, jwt.Malformed, err)
	}
	_, err := hsVerifier(t).Verify(t.Context(), hs256(`{"alg":"HS256","cty":"JWT"}`, payload(t, nil), secret))
	requireReason(t, jwt.WrongType, err)
}

func TestOneSpelling(t *testing.T) {
	t.Parallel()
	// 32 bytes of signature leave two bits of the last character unused.
	token := hs256(hsHeader, payload(t, nil), secret)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	head, rest, _ := strings.Cut(token, ".")
	body, tail, _ := strings.Cut(rest, ".")
	for _, other := range []string{
		token[:len(token)-1] + string(alphabet[last^1]),
		token + "=", token + "\n", "\n" + token, " " + token, token + " ", token + "\r\n", token + "\x00",
		head + "\n." + body + "." + tail, head + ".\n" + body + "." + tail, head + "=." + body + "." + tail,
		strings.ReplaceAll(token, "_", "/") + "+", token + ".", "." + token, head + "." + body, head + "." + body + "." + tail + ".x",
		token + ".AA.AA", "", ".", "..", "...", strings.Repeat(".", 1_000_000), strings.Repeat("A", 1<<20) + ".AA.AA",
		`{"payload":"` + body + `","protected":"` + head + `","signature":"` + tail + `"}`,
		"Bearer " + token,
	} {
		_, err := hsVerifier(t).Verify(t.Context(), other)
		requireReason(t, jwt.Malformed, err)
	}
}
