package webhook

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/flight"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// CertificateConfig says which certificates [Certificates] believes.
type CertificateConfig struct {
	// Header is the field with the address of the certificate. Empty means
	// PAYPAL-CERT-URL.
	Header string
	// Hosts are the hosts, without a port, from which certificates are taken. At
	// least one is needed.
	Hosts []string
	// Fetch gets what is at an address, by a GET without redirects and with a
	// limit for the size, and must be safe for concurrent use. Its context ends
	// after ten seconds. It is called for
	// https addresses at one of Hosts alone. It must be set.
	Fetch func(ctx context.Context, address string) ([]byte, error)
	// Roots are those that certificates must lead up to. nil means those of the
	// system.
	Roots *x509.CertPool
	// DNSName is what the certificate must be for. Empty means that it does not
	// matter.
	DNSName string
	// MaxAge is how long a certificate is remembered. 0 means one hour.
	MaxAge time.Duration
}

// Certificates returns a Config.KeysFor for providers that sign with a
// certificate whose address is in the request, as PayPal does. Nothing is
// fetched but from Hosts, nothing believed but what leads up to Roots. For
// addresses that it does not know yet it fetches at most once per second, so
// that nobody can make it send many requests; until then the error is [ErrKeys],
// and the provider will try again.
func Certificates(c CertificateConfig) (func(*http.Request) ([]Key, error), error) {
	var errs []error
	if len(c.Hosts) == 0 {
		errs = append(errs, errors.New("webhook: CertificateConfig.Hosts is empty"))
	}
	for _, h := range c.Hosts {
		if h == "" || h != strings.ToLower(h) || strings.ContainsAny(h, ":/@?#* ") {
			errs = append(errs, fmt.Errorf("webhook: CertificateConfig.Hosts has %q, which is no host in lower case", h))
		}
	}
	if c.Fetch == nil {
		errs = append(errs, errors.New("webhook: CertificateConfig.Fetch is nil"))
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("webhook: CertificateConfig.MaxAge is %v: must not be negative", c.MaxAge))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Hosts = slices.Clone(c.Hosts)
	c.Header = http.CanonicalHeaderKey(orDefault(c.Header, "PAYPAL-CERT-URL"))
	c.MaxAge = orDefault(c.MaxAge, time.Hour)
	s := &certificates{config: c, flights: flight.New[string, any](fetchTimeout)}
	s.known = keyed.New(keyed.Config[string, certificate]{
		Max: maxCertificates,
	})
	return s.keys, nil
}

const (
	maxCertificates     = 16
	maxCertificateChain = 8
	maxAddress          = 512
	fetchInterval       = time.Second
	fetchTimeout        = 10 * time.Second
)

type certificates struct {
	config CertificateConfig
	known  *keyed.Map[string, certificate]
	// Requests for one address wait for one fetch, and none for another's.
	flights *flight.Group[string, any]

	mu   sync.Mutex
	last time.Time // when something was fetched
}

// A certificate is what was found at an address.
type certificate struct {
	mu     sync.Mutex
	public any
	until  time.Time
}

// pause is the error of a request whose certificate may not be fetched yet.
type pause struct{}

func (pause) Error() string             { return "another certificate was fetched a moment ago" }
func (pause) RetryAfter() time.Duration { return fetchInterval }

func (s *certificates) keys(req *http.Request) ([]Key, error) {
	values := req.Header[s.config.Header]
	if len(values) != 1 || !s.allowed(values[0]) {
		return nil, nil // no key, like that of a stranger
	}
	e := s.known.Acquire(values[0], 0)
	defer s.known.Release(e)
	if public := e.Value().get(time.Now()); public != nil {
		return []Key{{Public: public}}, nil
	}
	public, err := s.flights.Do(req.Context(), values[0], func(ctx context.Context) (any, error) {
		return s.fetch(ctx, values[0], e.Value())
	})
	if err != nil {
		return nil, err
	}
	return []Key{{Public: public}}, nil
}

// fetch gets the certificate at an address, unless another came in between.
func (s *certificates) fetch(ctx context.Context, address string, c *certificate) (any, error) {
	now := time.Now()
	if public := c.get(now); public != nil {
		return public, nil
	}
	if !s.mayFetch(now) {
		return nil, pause{}
	}
	text, err := s.config.Fetch(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("webhook: fetching a certificate: %w", err)
	}
	leaf, err := s.check(text, now)
	if err != nil {
		return nil, err
	}
	until := now.Add(s.config.MaxAge)
	if leaf.NotAfter.Before(until) {
		until = leaf.NotAfter
	}
	c.set(leaf.PublicKey, until)
	return leaf.PublicKey, nil
}

// allowed reports whether a certificate may be fetched from an address.
func (s *certificates) allowed(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxAddress && visible(address) &&
		u.Scheme == "https" && u.User == nil && u.Fragment == "" && u.Opaque == "" &&
		slices.Contains(s.config.Hosts, u.Host)
}

func (s *certificates) mayFetch(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.Sub(s.last) < fetchInterval {
		return false
	}
	s.last = now
	return true
}

// check returns the first of the certificates in text, if it leads up to a root.
func (s *certificates) check(text []byte, now time.Time) (*x509.Certificate, error) {
	var leaf *x509.Certificate
	intermediates := x509.NewCertPool()
	for range maxCertificateChain {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, errors.New("webhook: what was fetched is no certificate")
		case leaf == nil:
			leaf = c
		default:
			intermediates.AddCert(c)
		}
	}
	if leaf == nil {
		return nil, errors.New("webhook: what was fetched is no certificate")
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName:       s.config.DNSName,
		Roots:         s.config.Roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: the certificate is not to be believed: %w", err)
	}
	return leaf, nil
}

func (c *certificate) get(now time.Time) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.until) {
		return c.public
	}
	return nil
}

func (c *certificate) set(public any, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.public, c.until = public, until
}
