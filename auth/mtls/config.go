package mtls

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// DefaultCheckEvery is the default of Config.CheckEvery.
const DefaultCheckEvery = 30 * time.Second

// Config says which certificate a [Transport] shows and whom it trusts. Either
// CertFile and KeyFile or Load must be set.
type Config struct {
	// CertFile and KeyFile hold the client certificate with its chain, and its
	// private key, in PEM. They may be the same file.
	CertFile, KeyFile string

	// RootsFile holds the authorities that servers are checked against, in PEM.
	// "" means those of Base, and without them those of the system.
	RootsFile string

	// Load takes the place of the files. It is called when they would be read,
	// on the goroutine of a request and with its context; other requests do not
	// wait for it. It is never called twice at a time.
	Load func(context.Context) (Material, error)

	// CheckEvery is the least time between two looks at the files.
	// 0 means [DefaultCheckEvery].
	CheckEvery time.Duration

	// Pins, if not empty, are the public keys of which the chain of a server
	// must have one, each as [Pin] writes it. There must be at least two: a key
	// in use and one in reserve.
	Pins []string

	// Base is cloned for each certificate; it is not used itself. nil means a
	// clone of http.DefaultTransport. It must leave the making of TLS
	// connections to net/http: no DialTLSContext, DialTLS or TLSNextProto, no
	// InsecureSkipVerify, and no certificate of its own.
	Base *http.Transport

	// Hooks are told of rotations.
	Hooks Hooks
}

// Hooks are told what a [Transport] does. A nil func is not called. They run on
// the goroutine of a request, with no lock held.
type Hooks struct {
	// Rotated is called when a new certificate, or new roots, are in use.
	Rotated func(Rotation)
	// Failed is called each time when what was found could not be used. The old
	// certificate stays in use.
	Failed func(error)
}

// Rotation is the change to a new certificate or new roots.
type Rotation struct {
	// Generation counts them, from 1 for the first certificate.
	Generation int
	// NotAfter is when the certificate expires.
	NotAfter time.Time
}

// check returns one error for each value that is wrong.
func (c Config) check() error {
	var errs []error
	files := c.CertFile != "" || c.KeyFile != "" || c.RootsFile != ""
	switch {
	case c.Load != nil && files:
		errs = append(errs, errors.New("mtls: Config has Load and files: must have one of them"))
	case c.Load == nil && (c.CertFile == "" || c.KeyFile == ""):
		errs = append(errs, errors.New("mtls: Config must have CertFile and KeyFile, or Load"))
	}
	if c.CheckEvery < 0 {
		errs = append(errs, fmt.Errorf("mtls: Config.CheckEvery is %v: must not be negative", c.CheckEvery))
	}
	if c.Base != nil {
		errs = append(errs, checkBase(c.Base))
	}
	return errors.Join(errs...)
}

// checkBase refuses transports whose connections would not be ours to make.
func checkBase(base *http.Transport) error {
	var errs []error
	//nolint:staticcheck // DialTLS is deprecated, and would still be used
	if base.DialTLSContext != nil || base.DialTLS != nil {
		errs = append(errs, errors.New("mtls: Config.Base makes its own TLS connections, without the certificate"))
	}
	// A clone has no TLSNextProto unless the user has set one, which would keep
	// connections of all generations together.
	if len(base.Clone().TLSNextProto) > 0 {
		errs = append(errs, errors.New("mtls: Config.Base has a TLSNextProto, which keeps connections of its own"))
	}
	if t := base.TLSClientConfig; t != nil {
		if t.InsecureSkipVerify {
			errs = append(errs, errors.New("mtls: Config.Base has InsecureSkipVerify"))
		}
		if len(t.Certificates) > 0 || t.GetClientCertificate != nil {
			errs = append(errs, errors.New("mtls: Config.Base has a client certificate of its own"))
		}
	}
	return errors.Join(errs...)
}
