package httpx

import (
	"net/netip"
	"strings"
)

// Loopback reports whether a host, which has no port, is this machine: the name
// localhost, which leads nowhere else (RFC 6761, section 6.3), or a loopback
// address.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
