package sender

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	maxURL   = 2048
	maxHost  = 253
	maxLabel = 63
)

// internalNames are names, and the ends of names, that no public DNS has
// (RFC 6761, 6762, 8375, 9476).
var internalNames = []string{
	"localhost", "localdomain", "local", "internal", "home.arpa", "test", "invalid", "example", "onion", "alt",
}

// CheckURL parses the URL of an endpoint and says whether there can be a
// delivery to it: https, or http if the Guard allows it; a name of a public
// server, or an address and a port that the Guard allows; no userinfo and no
// fragment; ASCII, so that an international name is in its xn-- form; at most
// 2048 bytes. It does not resolve the name. Its error is a [*URLError], or a
// [*BlockedError] for an address, and quotes nothing of the URL.
func (g *Guard) CheckURL(raw string) (*url.URL, error) {
	refuse := func(reason string) (*url.URL, error) { return nil, &URLError{Reason: reason} }
	if len(raw) > maxURL {
		return refuse("is longer than 2048 bytes")
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return refuse("has a byte in it that must be escaped")
		}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return refuse("does not parse")
	case u.Scheme != "https" && (u.Scheme != "http" || !g.plaintext):
		return refuse("has another scheme than https")
	case u.Opaque != "" || u.Host == "":
		return refuse("has no host")
	case u.User != nil:
		return refuse("has userinfo in it")
	case strings.Contains(raw, "#"):
		return refuse("has a fragment")
	}
	port, reason := portOf(u)
	if reason != "" {
		return refuse(reason)
	}
	if !slices.Contains(g.ports, port) {
		return refuse("has a port that is not allowed")
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") || strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || !strings.HasPrefix(u.Host, "[") {
			return refuse("has a host that is neither a name nor an address")
		}
		return g.literal(u, addr, port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.literal(u, addr, port)
	}
	if reason := g.refuseName(host); reason != "" {
		return refuse(reason)
	}
	return u, nil
}

// literal returns u if its host, which is an address, is allowed.
func (g *Guard) literal(u *url.URL, addr netip.Addr, port uint16) (*url.URL, error) {
	if err := g.Check(netip.AddrPortFrom(addr, port)); err != nil {
		return nil, err
	}
	return u, nil
}

func portOf(u *url.URL) (port uint16, reason string) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, "has a colon without a port"
		}
		if u.Scheme == "http" {
			return 80, ""
		}
		return 443, ""
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' {
		return 0, "has a port that is no port"
	}
	return uint16(n), ""
}

// refuseName returns what is wrong with a host name, "" if it is right.
func (g *Guard) refuseName(host string) string {
	if len(host) > maxHost {
		return "has a host name that is too long"
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "-") != label {
			return "has a host that is neither a name nor an address"
		}
		for i := range len(label) {
			if c := label[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
				return "has a host that is neither a name nor an address"
			}
		}
	}
	// Some resolvers take 2130706433, 0177.1 and 0x7f.1 for 127.0.0.1. No
	// top-level domain looks like a number.
	last := strings.ToLower(labels[len(labels)-1])
	if '0' <= last[0] && last[0] <= '9' {
		return "has an address as a number, or in an old form"
	}
	if len(g.allow) > 0 {
		return ""
	}
	if len(labels) == 1 {
		return "has a host name without a dot"
	}
	host = strings.ToLower(host)
	for _, name := range internalNames {
		if host == name || strings.HasSuffix(host, "."+name) {
			return "has a host name that is not public"
		}
	}
	return ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
