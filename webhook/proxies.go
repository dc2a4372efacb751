package webhook

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are proxies of our own. The zero value is none.
type Proxies struct {
	// Peers are the addresses from which they speak to us. From anybody else the
	// header is not believed.
	Peers []netip.Prefix
	// Header is the field by which they say how the client came, and which they
	// must remove from what clients send. Empty means X-Forwarded-Proto.
	Header string
	// Value is what it says for TLS, case aside. Empty means "https".
	Value string
}

// secure reports whether a request came by TLS.
func (p Proxies) secure(req *http.Request) bool {
	if req.TLS != nil {
		return true
	}
	if len(p.Peers) == 0 {
		return false
	}
	peer, ok := peerOf(req)
	if !ok {
		return false
	}
	for _, prefix := range p.Peers {
		if prefix.Contains(peer) {
			values := req.Header.Values(orDefault(p.Header, "X-Forwarded-Proto"))
			return len(values) == 1 && strings.EqualFold(values[0], orDefault(p.Value, "https"))
		}
	}
	return false
}

// peerOf returns the address of who has connected to us.
func peerOf(req *http.Request) (netip.Addr, bool) {
	a, err := netip.ParseAddrPort(req.RemoteAddr)
	return a.Addr().Unmap(), err == nil
}
