package mtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/pubkey"
)

// maxFile is how many bytes a file may have: more than any bundle of roots has.
const maxFile = 4 << 20

// Material is what a [Transport] shows and trusts. It is not printed.
type Material struct {
	// CertPEM has the client certificate, and after it those of the authorities
	// that link it to a root, in PEM.
	CertPEM []byte
	// KeyPEM has its private key, not encrypted, in PEM. It is not kept.
	KeyPEM auth.Secret
	// Signer, when not nil, takes the place of KeyPEM: a key that lives in
	// hardware or in a service. It must be safe for concurrent use. It is in use
	// as long as its certificate: another Signer for the same one is not noticed.
	Signer crypto.Signer
	// RootsPEM has the authorities that servers are checked against, in PEM.
	// Empty means those of Config.Base, and without them those of the system.
	RootsPEM []byte
}

// Format writes the name of the type, whatever the verb. Many a Signer would
// print itself, and does so where package fmt calls no method: in an unexported
// field.
func (m Material) Format(s fmt.State, _ rune) {
	// A fmt.State keeps the error of its writer to itself.
	_, _ = io.WriteString(s, "mtls.Material")
}

// MarshalText returns what Format writes: for package encoding/json and its like,
// and for log/slog. There is no way back.
func (m Material) MarshalText() ([]byte, error) { return fmt.Append(nil, m), nil }

// hash returns a hash of the content. Each part counts with its length, so that
// a byte that moves from one to the next is noticed.
func (m Material) hash() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{m.CertPEM, []byte(m.KeyPEM.Reveal()), m.RootsPEM} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// certificate returns the client certificate, if it can be used now.
func (m Material) certificate(now time.Time) (*tls.Certificate, error) {
	chain, err := parseCertificates(m.CertPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	leaf := chain[0]
	usable := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
	switch {
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("certificate: not valid before %v", leaf.NotBefore)
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("certificate: expired at %v", leaf.NotAfter)
	case !usable:
		return nil, errors.New("certificate: its extended key usage is not client authentication")
	}
	if m.Signer != nil {
		return m.withSigner(chain)
	}
	key := []byte(m.KeyPEM.Reveal())
	if err := checkKeyPEM(key); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(m.CertPEM, key)
	if err != nil {
		// The error of crypto/tls says what is wrong, and quotes no key.
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	return &pair, nil
}

func (m Material) withSigner(chain []*x509.Certificate) (*tls.Certificate, error) {
	if !samePublic(chain[0].PublicKey, pubkey.Of(m.Signer)) {
		return nil, errors.New("certificate and key: the signer is not that of the certificate")
	}
	pair := &tls.Certificate{PrivateKey: m.Signer, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	switch a := a.(type) {
	case *rsa.PublicKey:
		return a.Equal(b)
	case *ecdsa.PublicKey:
		return a.Equal(b)
	case ed25519.PublicKey:
		return a.Equal(b)
	}
	return false
}

// checkKeyPEM says it plainly when a key is encrypted, and refuses one that is
// half written.
func checkKeyPEM(data []byte) error {
	block, _ := pem.Decode(data)
	switch {
	case block == nil:
		return errors.New("key: no PEM block")
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return errors.New("key: it is encrypted: decrypt it first, or use Material.Signer")
	}
	return nil
}

// roots returns the pool of RootsPEM; nil if that is empty.
func (m Material) roots() (*x509.CertPool, error) {
	if len(m.RootsPEM) == 0 {
		return nil, nil // nil is what crypto/tls calls the system's roots
	}
	list, err := parseCertificates(m.RootsPEM)
	if err != nil {
		return nil, fmt.Errorf("roots: %w", err)
	}
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool, nil
}

// parseCertificates reads all certificates of a file. One that breaks off is an
// error: pem.Decode would pass over it, and a chain or a root would be missing.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		begun := bytes.Count(data[:len(data)-len(rest)], []byte("-----BEGIN "))
		if data = rest; begun != 1 {
			return nil, errors.New("a PEM block is broken")
		}
		if block.Type != "CERTIFICATE" {
			continue // some put the key into the same file
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the %d. certificate is broken", len(list)+1)
		}
		list = append(list, c)
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, errors.New("a PEM block is broken")
	}
	if len(list) == 0 {
		return nil, errors.New("there is none")
	}
	return list, nil
}

// fromFiles returns a func that reads the files.
func fromFiles(cert, key, roots string) func(context.Context) (Material, error) {
	return func(context.Context) (m Material, err error) {
		if m.CertPEM, err = readFile(cert); err != nil {
			return m, err
		}
		keyPEM, err := readFile(key)
		if err != nil {
			return m, err
		}
		m.KeyPEM = auth.NewSecret(string(keyPEM))
		if roots == "" {
			return m, nil
		}
		if m.RootsPEM, err = readFile(roots); err == nil && len(m.RootsPEM) == 0 {
			// Without this a truncated file would mean the system's roots.
			err = errors.New("roots: the file is empty")
		}
		return m, err
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) // #nosec G304 -- the name is the configured one
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return data, err
}
