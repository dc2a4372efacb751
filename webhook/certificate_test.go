package webhook_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
func itoa(n int) string   { return strconv.Itoa(n) }
func sha(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
func sha1MAC(s string) []byte {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(s))
	return h.Sum(nil)
}

// They are made once: it takes a while.
var rsaKey, otherRSAKey = sync.OnceValue(newRSAKey), sync.OnceValue(newRSAKey)

func newRSAKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func testRSA(tb testing.TB) *rsa.PublicKey {
	tb.Helper()
	return &rsaKey().PublicKey
}

// chain returns a certificate for the key, as PEM, and the root that signed it.
func chain(tb testing.TB, signer crypto.Signer, name string, notBefore, notAfter time.Time) ([]byte, *x509.CertPool) {
	tb.Helper()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: notBefore, NotAfter: notAfter.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, signer.Public(), signer)
	require.NoError(tb, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: notBefore, NotAfter: notAfter}
	der, err = x509.CreateCertificate(rand.Reader, leaf, parsed, rsaKey().Public(), signer)
	require.NoError(tb, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool
}

func assertKeys(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, webhook.ErrKeys) {
		t.Errorf("%v", err)
	}
}

const certURL = "https://api.paypal.com/v1/notifications/certs/CERT-1"

func TestCertificates(t *testing.T) {
	t.Parallel()
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		text, roots := chain(t, rsaKey(), "messages.example", start.Add(-time.Hour), start.AddDate(1, 0, 0))
		var fetched atomic.Int32
		answer := text
		var slow time.Duration
		c := webhook.CertificateConfig{
			Hosts: []string{"api.paypal.com"}, Roots: roots, DNSName: "messages.example",
			Fetch: func(_ context.Context, address string) ([]byte, error) {
				fetched.Add(1)
				time.Sleep(slow)
				if address != certURL {
					return nil, errors.New("not found")
				}
				return answer, nil
			},
		}
		keysFor, err := webhook.Certificates(c)
		require.NoError(t, err)
		scheme := webhook.PayPal("8PT597110X687430LKGECATA")
		v, err := webhook.New(webhook.Config{Scheme: scheme, KeysFor: keysFor})
		require.NoError(t, err)
		s, err := webhooktest.New(webhooktest.Config{Scheme: scheme, Private: rsaKey()})
		require.NoError(t, err)
		verify := func(address string) (webhook.Verified, error) {
			req, err := s.Request(hookURL, []byte(`{"id":"WH-1"}`), time.Now())
			require.NoError(t, err)
			if address != "" {
				req.Header.Set("PAYPAL-CERT-URL", address)
			}
			return v.Verify(req, bodyOf(t, req))
		}
		for _, address := range []string{
			"", "http://api.paypal.com/x", "https://api.paypal.com:8443/x", "https://api.paypal.com.evil.test/x", "https://evil.test/api.paypal.com",
			"https://api.paypal.com@evil.test/", "https://user@api.paypal.com/", "https://evil.test\\@api.paypal.com/", "https://API.PAYPAL.COM/x",
			"//api.paypal.com/x", "file:///etc/passwd", "https://api.paypal.com/#x", "https://169.254.169.254/", certURL + "\n",
		} {
			_, err := verify(address)
			require.ErrorIs(t, err, webhook.ErrUnknownKey, address)
		}
		require.Zero(t, fetched.Load(), "nothing is fetched from strangers")

		// Those who come together wait for one fetch.
		var together sync.WaitGroup
		slow = time.Second / 2
		for range 20 {
			together.Go(func() {
				_, err := verify(certURL + "-slow")
				assertKeys(t, err)
			})
		}
		together.Wait()
		require.EqualValues(t, 1, fetched.Load())
		fetched.Store(0)
		slow = 0
		time.Sleep(time.Second)

		_, err = verify(certURL + "0")
		require.ErrorIs(t, err, webhook.ErrKeys)
		for range 5 {
			_, err = verify(certURL)
			require.ErrorIs(t, err, webhook.ErrKeys, "one in a second")
		}
		require.EqualValues(t, 1, fetched.Load())

		time.Sleep(time.Second)
		answer = bytes.Replace(text, []byte("A"), []byte("B"), 1)
		_, err = verify(certURL)
		require.ErrorIs(t, err, webhook.ErrKeys, "no certificate")
		time.Sleep(time.Second)
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		answer, _ = chain(t, other, "messages.example", start.Add(-time.Hour), start.AddDate(1, 0, 0))
		_, err = verify(certURL)
		require.Error(t, err, "of another root with the same name")

		time.Sleep(time.Second)
		answer = text
		verified, err := verify(certURL)
		require.NoError(t, err)
		require.False(t, verified.BodySigned)
		require.Equal(t, "msg_webhooktest", verified.ID())
		n := fetched.Load()
		for range 5 {
			_, err = verify(certURL)
			require.NoError(t, err)
		}
		require.Equal(t, n, fetched.Load(), "remembered")
		time.Sleep(time.Hour)
		_, err = verify(certURL)
		require.NoError(t, err)
		require.Equal(t, n+1, fetched.Load(), "for an hour")
		time.Sleep(400 * 24 * time.Hour)
		_, err = verify(certURL)
		require.ErrorIs(t, err, webhook.ErrKeys, "it has expired")
	})
	_, err := webhook.Certificates(webhook.CertificateConfig{MaxAge: -1})
	for _, field := range []string{"Hosts", "Fetch", "MaxAge"} {
		require.ErrorContains(t, err, "webhook: CertificateConfig."+field)
	}
	_, err = webhook.Certificates(webhook.CertificateConfig{Hosts: []string{"*.paypal.com"}, Fetch: func(context.Context, string) ([]byte, error) { return nil, http.ErrAbortHandler }})
	require.Error(t, err)
}
