package mtls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/mtls"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	a.cert = a.issue(t, a.key, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.Subject.CommonName = "authority"
	})
	return a
}

// issue signs a certificate for key.
func (a *authority) issue(t testing.TB, key *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func keyPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// files is a folder with the material of a client.
type files struct {
	t   testing.TB
	dir string
}

func newFiles(t testing.TB) files {
	t.Helper()
	return files{t, t.TempDir()}
}

func (f files) write(name string, data []byte) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), data, 0o600))
}

// issue writes a new certificate and returns its serial number.
func (f files) issue(a *authority) string {
	f.t.Helper()
	key := newKey(f.t)
	cert := a.issue(f.t, key, nil)
	f.write("tls.key", keyPEM(f.t, key))
	f.write("tls.crt", certPEM(cert))
	return cert.SerialNumber.String()
}

func (f files) config() mtls.Config {
	return mtls.Config{
		CertFile: filepath.Join(f.dir, "tls.crt"), KeyFile: filepath.Join(f.dir, "tls.key"), RootsFile: filepath.Join(f.dir, "ca.crt"),
		CheckEvery: time.Nanosecond, // at each request
	}
}

// server is a TLS server that tells who called it, and how.
type server struct {
	*httptest.Server

	mu     sync.Mutex
	conns  int
	closed chan struct{}
	// release lets the requests for /slow end.
	release chan struct{}
	cert    *x509.Certificate
}

func newServer(t testing.TB, a *authority, h2 bool) *server {
	t.Helper()
	key := newKey(t)
	s := &server{cert: a.issue(t, key, nil), closed: make(chan struct{}, 100), release: make(chan struct{})}
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.EnableHTTP2 = h2
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{s.cert.Raw, a.cert.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12,
	}
	s.Config.ErrorLog = quiet()
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
		case http.StateClosed:
			s.closed <- struct{}{}
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// serve answers with the serial number of the client's certificate and whether
// the session was resumed.
func (s *server) serve(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/slow" {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-s.release
	}
	_, _ = fmt.Fprintf(w, "%s %t", req.TLS.PeerCertificates[0].SerialNumber, req.TLS.DidResume)
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}
