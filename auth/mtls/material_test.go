package mtls_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/mtls"
)

// What cannot be used leaves the old certificate in its place.
func TestBadMaterial(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(f files, a *authority)
		want  string
	}{
		"half a certificate": {func(f files, _ *authority) { f.half("tls.crt") }, "broken"},
		"half a key":         {func(f files, _ *authority) { f.half("tls.key") }, "key"},
		"half a root":        {func(f files, _ *authority) { f.half("ca.crt") }, "roots: a PEM block is broken"},
		"empty":              {func(f files, _ *authority) { f.write("tls.crt", nil) }, "there is none"},
		"empty roots":        {func(f files, _ *authority) { f.write("ca.crt", nil) }, "roots: the file is empty"},
		"gone":               {func(f files, _ *authority) { require.NoError(f.t, os.Remove(filepath.Join(f.dir, "tls.key"))) }, "no such file"},
		"half a chain": {func(f files, a *authority) {
			data, err := os.ReadFile(filepath.Join(f.dir, "tls.crt"))
			require.NoError(f.t, err)
			f.write("tls.crt", append(data, certPEM(a.cert)[:300]...))
		}, "broken"},
		"half a chain and another": {func(f files, a *authority) {
			data, err := os.ReadFile(filepath.Join(f.dir, "tls.crt"))
			require.NoError(f.t, err)
			f.write("tls.crt", append(append(data, certPEM(a.cert)[:300]...), certPEM(a.cert)...))
		}, "broken"},
		"another's key": {func(f files, _ *authority) { f.write("tls.key", keyPEM(f.t, newKey(f.t))) }, "private key does not match"},
		"expired": {func(f files, a *authority) {
			f.with(a, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		}, "expired at"},
		"not yet valid": {func(f files, a *authority) {
			f.with(a, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
		}, "not valid before"},
		"of a server": {func(f files, a *authority) {
			f.with(a, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		}, "extended key usage"},
		"encrypted": {func(f files, _ *authority) {
			f.write("tls.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
		}, "it is encrypted"},
		"encrypted as of old": {func(f files, _ *authority) {
			f.write("tls.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")}))
		}, "it is encrypted"},
		"broken inside": {func(f files, _ *authority) {
			f.write("tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
		}, "is broken"},
		"huge": {func(f files, _ *authority) { f.write("tls.crt", make([]byte, 5<<20)) }, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a, s, first := setUp(t, false)
			c := f.config()
			var failures []error
			c.Hooks.Failed = func(err error) { failures = append(failures, err) }
			tr := newTransport(t, c)
			tt.spoil(f, a)
			got, err := call(t, tr, s.URL)
			require.NoError(t, err)
			require.Equal(t, first+" false", got)
			require.Len(t, failures, 1)
			require.ErrorContains(t, failures[0], "mtls: load: ")
			require.ErrorContains(t, failures[0], tt.want)
			require.ErrorContains(t, tr.Snapshot().Err, tt.want)
			require.ErrorContains(t, tr.Reload(t.Context()), tt.want)
			_, err = mtls.New(c)
			require.ErrorContains(t, err, tt.want, "at the start there is no old one")

			// It is mended later.
			f.write("ca.crt", certPEM(a.cert))
			second := f.issue(a)
			got, err = call(t, tr, s.URL)
			require.NoError(t, err)
			require.Equal(t, second+" false", got)
			require.NoError(t, tr.Snapshot().Err)
		})
	}
}

func (f files) half(name string) {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	require.NoError(f.t, err)
	f.write(name, data[:len(data)/2])
}

func (f files) with(a *authority, change func(*x509.Certificate)) {
	f.t.Helper()
	key := newKey(f.t)
	f.write("tls.crt", certPEM(a.issue(f.t, key, change)))
	f.write("tls.key", keyPEM(f.t, key))
}

// What is read as a list of certificates is all that the text has.
func FuzzParseCertificates(f *testing.F) {
	one := certPEM(newAuthority(f).cert)
	f.Add(one)
	f.Add(append(one, one...))
	f.Add(append(one, one[:100]...))
	f.Add(keyPEM(f, newKey(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := mtls.CountCertificates(data)
		if err == nil {
			require.Positive(t, n)
			require.LessOrEqual(t, n, bytes.Count(data, []byte("-----BEGIN")))
		}
	})
}
