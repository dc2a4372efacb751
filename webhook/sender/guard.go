package sender

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// GuardConfig says where a [Guard] lets connections go. The zero value means
// public addresses, port 443, https.
type GuardConfig struct {
	// Ports are those that connections may go to. None means 443 and, with
	// DangerouslyPlaintext, 80.
	Ports []uint16

	// Deny are networks that no connection goes to, beside those that never are
	// public: one's own public addresses, for example, or the prefix of a NAT64
	// of one's own (RFC 6052), which nobody else can know. It comes before
	// DangerouslyAllow.
	Deny []netip.Prefix

	// DangerouslyAllow are networks that connections may go to although they are
	// not public, such as one's own. Whoever can choose a URL can reach all that
	// listens there. Of a NAT64 address (64:ff9b::/96) the IPv4 address in it is
	// looked at as well. Names that can only be internal are accepted in URLs
	// when there is one such network.
	DangerouslyAllow []netip.Prefix

	// DangerouslyPlaintext accepts URLs with the scheme http, whose bodies
	// everybody on the way can read.
	DangerouslyPlaintext bool
}

// Guard keeps connections out of networks that are not public: it is what stands
// between a URL that a stranger has chosen and the machines that trust this
// one. It is immutable and safe for concurrent use.
//
// It looks at the address of each connection when its name has been resolved and
// just before it is made, so that it makes no difference how the address was
// come by: DNS that answers otherwise the second time, a redirect, an IPv4
// address written as a number or inside one of IPv6. [Guard.Transport] is for
// most programs, [Guard.Control] for those with a net.Dialer of their own. A
// proxy makes the connections itself, with nobody to guard them.
//
// Most programs call [Guard.CheckURL], too, when they take a URL in: it tells a
// customer what will never be delivered to.
type Guard struct {
	ports       []uint16
	deny, allow []netip.Prefix
	plaintext   bool
}

// NewGuard checks c and makes a Guard of it. Its error joins one error for each
// field that is wrong.
func NewGuard(c GuardConfig) (*Guard, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	g := &Guard{
		ports: slices.Clone(c.Ports), plaintext: c.DangerouslyPlaintext,
		deny: slices.Clone(c.Deny), allow: slices.Clone(c.DangerouslyAllow),
	}
	if len(g.ports) == 0 {
		g.ports = []uint16{443}
		if c.DangerouslyPlaintext {
			g.ports = append(g.ports, 80)
		}
	}
	return g, nil
}

func (c *GuardConfig) check() error {
	var errs []error
	if slices.Contains(c.Ports, 0) {
		errs = append(errs, errors.New("sender: GuardConfig.Ports has 0 in it"))
	}
	for field, prefixes := range map[string][]netip.Prefix{"Deny": c.Deny, "DangerouslyAllow": c.DangerouslyAllow} {
		for i, p := range prefixes {
			switch {
			case !p.IsValid():
				errs = append(errs, fmt.Errorf("sender: GuardConfig.%s[%d] is no prefix", field, i))
			case p.Addr().Is4In6():
				errs = append(errs, fmt.Errorf("sender: GuardConfig.%s[%d] is %v: must be written as IPv4", field, i, p))
			}
		}
	}
	return errors.Join(errs...)
}

// Check says whether a connection to an address and port may be made. Its error
// is a [*BlockedError].
func (g *Guard) Check(to netip.AddrPort) error {
	if reason := g.refuse(to); reason != "" {
		return &BlockedError{To: to, Reason: reason}
	}
	return nil
}

func (g *Guard) refuse(to netip.AddrPort) string {
	addr := to.Addr().Unmap()
	switch {
	case !addr.IsValid():
		return "not an address"
	case addr.Zone() != "":
		return "an address with a zone"
	case !slices.Contains(g.ports, to.Port()):
		return "a port that is not allowed"
	}
	for {
		contains := func(p netip.Prefix) bool { return p.Contains(addr) }
		if slices.ContainsFunc(g.deny, contains) {
			return "denied by the configuration"
		}
		if !slices.ContainsFunc(g.allow, contains) {
			return specialPurpose(addr)
		}
		if !nat64.Contains(addr) {
			return ""
		}
		addr = embedded(addr)
	}
}

// Control is for the field Control of a net.Dialer, which calls it with the
// address of each connection before it is made. A Dialer ignores it when
// its ControlContext is set. It lets nothing but TCP through.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &BlockedError{Reason: "not TCP"}
	}
	// It fails for an empty host, which would be this machine.
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &BlockedError{Reason: "not an address"}
	}
	return g.Check(to)
}

// The limits of the connections that a Guard makes.
const (
	dialTimeout        = 10 * time.Second
	handshakeTimeout   = 10 * time.Second
	idleTimeout        = 30 * time.Second
	maxResponseHeader  = 16 << 10
	maxIdleConnections = 100
)

// DialContext makes a connection, if the address that it goes to is allowed, and
// takes at most 10 seconds for it. It has the form of a http.Transport's field.
// Its error says neither which address was blocked nor which DNS server was
// asked: it may come to be seen by the one who chose the name.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, &BlockedError{Reason: "not TCP"}
	}
	d := net.Dialer{Timeout: dialTimeout, Control: g.Control}
	conn, err := d.DialContext(ctx, network, address)
	if blocked, ok := errors.AsType[*BlockedError](err); ok {
		return nil, blocked
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		public := *lookup
		public.Server = ""
		return nil, &public
	}
	return conn, err
}

// Transport returns a new transport whose connections all pass the Guard. It
// uses no proxy, whatever the environment says, and TLS of at least 1.2. It
// takes at most 16 KiB of header, and does not decompress answers. It does
// what http.Client asks, so that redirects must be refused there; connections
// that they lead to pass the Guard like any other.
//
// Its Proxy and its Dial funcs must be left alone, and so must the protocols
// that it does not know.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext:            g.DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdleConnections,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
	}
}
