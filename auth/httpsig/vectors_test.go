package httpsig_test

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

// vectorKey returns the bytes of a key of RFC 9421, appendix B.1.
func vectorKey(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile("testdata/keys.json")
	require.NoError(t, err)
	var all struct {
		Keys map[string]struct{ Data []byte }
	}
	require.NoError(t, json.Unmarshal(file, &all))
	require.Contains(t, all.Keys, name)
	return all.Keys[name].Data
}

// vectorKeys finds the keys of appendix B.1.
func vectorKeys(t testing.TB) httpsig.KeyFunc {
	t.Helper()
	byID := make(map[string][]httpsig.Key)
	for id, alg := range map[string]httpsig.Algorithm{"test-key-rsa-pss": httpsig.RSAPSS, "test-key-ecc-p256": httpsig.ECDSAP256, "test-key-ed25519": httpsig.Ed25519} {
		der := vectorKey(t, id+".pub")
		public, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			// The key says that it is for PSS, which crypto/x509 does not read.
			var info struct {
				Algorithm asn1.RawValue
				Key       asn1.BitString
			}
			_, err = asn1.Unmarshal(der, &info)
			require.NoError(t, err)
			public, err = x509.ParsePKCS1PublicKey(info.Key.Bytes)
			require.NoError(t, err)
		}
		key, err := httpsig.PublicKey(alg, public)
		require.NoError(t, err)
		byID[id] = []httpsig.Key{key}
	}
	secret, err := httpsig.SecretKey(hidden(vectorKey(t, "test-shared-secret")))
	require.NoError(t, err)
	byID["test-shared-secret"] = []httpsig.Key{secret}
	return httpsig.Keys(byID)
}

func vectorFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return data
}

func vectorRequest(t testing.TB, name string) *http.Request {
	t.Helper()
	data := bytes.ReplaceAll(vectorFile(t, name), []byte("\r\n"), []byte("\n"))
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))))
	require.NoError(t, err)
	return req.WithContext(t.Context())
}

// signedAt is when the examples were signed. A bubble's clock begins earlier.
var signedAt = time.Unix(1618884473, 0)

func newVerifier(t testing.TB, c httpsig.VerifierConfig) *httpsig.Verifier {
	t.Helper()
	v, err := httpsig.NewVerifier(c)
	require.NoError(t, err)
	return v
}

func newSigner(t testing.TB, c httpsig.Config) *httpsig.Signer {
	t.Helper()
	s, err := httpsig.New(c)
	require.NoError(t, err)
	return s
}

func requireReason(t testing.TB, want httpsig.Reason, err error) {
	t.Helper()
	var e *httpsig.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, httpsig.ErrInvalid)
	require.Equal(t, want, e.Reason, "%v", err)
}

func TestVectorsVerify(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"b21": "test-key-rsa-pss", "b22": "test-key-rsa-pss", "b23": "test-key-rsa-pss",
		"b25": "test-shared-secret", "b26": "test-key-ed25519", "b3_ttrp": "test-key-ecc-p256",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(signedAt))
				v := newVerifier(t, httpsig.VerifierConfig{Keys: vectorKeys(t), Components: []string{}, DangerouslyUncoveredBody: true})
				file := name + "_request_signed.txt"
				s, err := v.VerifyRequest(vectorRequest(t, file))
				require.NoError(t, err)
				require.Equal(t, id, s.KeyID)
				require.Equal(t, signedAt, s.Created)
				require.Len(t, s.Components, strings.Count(string(vectorFile(t, name+"_request_sigbase.txt")), "\n"))

				// The signature holds for a time only.
				req := vectorRequest(t, file)
				time.Sleep(httpsig.DefaultMaxAge + httpsig.DefaultLeeway)
				_, err = v.VerifyRequest(req)
				require.NoError(t, err)
				time.Sleep(time.Second)
				_, err = v.VerifyRequest(vectorRequest(t, file))
				requireReason(t, httpsig.OutOfTime, err)
			})
		})
	}
}

func TestVectorsResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(signedAt))
		read := func() *http.Response {
			data := bytes.ReplaceAll(vectorFile(t, "b24_response_signed.txt"), []byte("\r\n"), []byte("\n"))
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))), nil)
			require.NoError(t, err)
			return resp
		}
		v := newVerifier(t, httpsig.VerifierConfig{Keys: vectorKeys(t)})
		_, err := v.VerifyResponse(t.Context(), read())
		require.NoError(t, err)
		for what, change := range map[string]func(*http.Response){
			"status": func(r *http.Response) { r.StatusCode = 201 },
			"length": func(r *http.Response) { r.Header.Set("Content-Length", "24") },
			"type":   func(r *http.Response) { r.Header.Set("Content-Type", "text/html") },
		} {
			resp := read()
			change(resp)
			_, err = v.VerifyResponse(t.Context(), resp)
			requireReason(t, httpsig.BadSignature, err)
			require.NotEmpty(t, what)
		}
	})
}

// B.2.5 and B.2.6 are deterministic: they come out byte for byte.
func TestVectorsSign(t *testing.T) {
	t.Parallel()
	ed, err := x509.ParsePKCS8PrivateKey(vectorKey(t, "test-key-ed25519.key"))
	require.NoError(t, err)
	for name, c := range map[string]httpsig.Config{
		"b25": {
			Secret: hidden(vectorKey(t, "test-shared-secret")), KeyID: "test-shared-secret", Label: "sig-b25",
			Components: []string{"date", "@authority", "content-type"},
		},
		"b26": {
			Key: ed.(crypto.Signer), KeyID: "test-key-ed25519", Label: "sig-b26",
			Components: []string{"date", "@method", "@path", "@authority", "content-type", "content-length"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(signedAt))
				c.Lifetime, c.NoNonce = -1, true
				want := vectorRequest(t, name+"_request_signed.txt")
				req := vectorRequest(t, "rfc-test-request.txt")
				req.URL.Scheme, req.URL.Host, req.RequestURI = "https", req.Host, ""
				req.Header.Del("Content-Length") // net/http sends it of itself
				got := roundTrip(t, newSigner(t, c).Wrap, req)
				require.Equal(t, want.Header["Signature-Input"], got.Header["Signature-Input"])
				require.Equal(t, want.Header["Signature"], got.Header["Signature"])
			})
		})
	}
}

// The other algorithms are not deterministic, so they must verify.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	rsaKey, err := x509.ParsePKCS1PrivateKey(vectorKey(t, "test-key-rsa.key"))
	require.NoError(t, err)
	p256, err := x509.ParseECPrivateKey(vectorKey(t, "test-key-ecc-p256.key"))
	require.NoError(t, err)
	p384, err := x509.ParseECPrivateKey(vectorKey(t, "test-key-ecc-p384.key"))
	require.NoError(t, err)
	for _, tt := range []struct {
		key crypto.Signer
		alg httpsig.Algorithm
	}{{rsaKey, httpsig.RSAPSS}, {rsaKey, httpsig.RSAv15}, {p256, httpsig.ECDSAP256}, {p384, httpsig.ECDSAP384}} {
		key, err := httpsig.PublicKey(tt.alg, tt.key.Public())
		require.NoError(t, err)
		v := newVerifier(t, httpsig.VerifierConfig{Keys: httpsig.Keys(map[string][]httpsig.Key{"k": {key}})})
		s := newSigner(t, httpsig.Config{Key: tt.key, Algorithm: tt.alg, KeyID: "k"})
		_, err = v.VerifyRequest(received(t, s.Wrap, newRequest(t, "POST", "https://api.example.com/a?b=c", "body")))
		require.NoError(t, err, tt.alg)
	}
	// A key goes with one algorithm.
	for _, alg := range []httpsig.Algorithm{httpsig.RSAPSS, httpsig.ECDSAP384, httpsig.Ed25519, httpsig.HMACSHA256, "", "none"} {
		_, err := httpsig.PublicKey(alg, p256.Public())
		require.Error(t, err)
	}
	_, err = httpsig.PublicKey(httpsig.RSAPSS, &rsa.PublicKey{})
	require.Error(t, err)
	_, err = httpsig.PublicKey(httpsig.ECDSAP256, &ecdsa.PublicKey{})
	require.Error(t, err)
	data, err := base64.StdEncoding.DecodeString("c2hvcnQ=")
	require.NoError(t, err)
	_, err = httpsig.SecretKey(hidden(data))
	require.Error(t, err)
}
