package retry

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/holdfast-go/holdfast/internal/header"
)

// KeysConfig says which requests get an idempotency key, and which. The zero
// value gives every POST and PATCH a random UUID in the field Idempotency-Key.
type KeysConfig struct {
	// Header is the name of the field, such as "PayPal-Request-Id".
	// "" means "Idempotency-Key".
	Header string

	// Methods are those of the requests that get a key, in capitals. nil means
	// POST and PATCH; a list without any is an error.
	Methods []string

	// Hosts are the hosts whose requests get a key: names or IP addresses that
	// are compared whole, without the port, and without regard to case. nil
	// means every host; a list without any is an error.
	Hosts []string

	// NewKey makes the key of one logical request. It must be unlike any other,
	// of visible ASCII characters, and not empty. NewKey must be safe for
	// concurrent use.
	// nil means a random UUID (RFC 9562, section 5.4).
	NewKey func() string
}

// validate returns one error for each value that is wrong, joined.
func (c KeysConfig) validate() error {
	var errs []error
	wrong := func(field string, value any, reason string) {
		errs = append(errs, fmt.Errorf("retry: KeysConfig.%s is %q: %s", field, value, reason))
	}
	switch {
	case c.Header == "":
	case !header.IsToken(c.Header):
		wrong("Header", c.Header, "must be a token (RFC 9110, section 5.6.2)")
	case ofConnection(c.Header):
		wrong("Header", c.Header, "must not be a field that net/http or a proxy takes for itself")
	}
	if c.Methods != nil && len(c.Methods) == 0 {
		wrong("Methods", c.Methods, "must name a method, or be nil for POST and PATCH")
	}
	for i, method := range c.Methods {
		if !header.IsToken(method) || method != strings.ToUpper(method) {
			wrong(fmt.Sprintf("Methods[%d]", i), method, "must be a token (RFC 9110, section 5.6.2) in capitals")
		}
	}
	if c.Hosts != nil && len(c.Hosts) == 0 {
		wrong("Hosts", c.Hosts, "must name a host, or be nil for every host")
	}
	for i, host := range c.Hosts {
		if !hostOnly(host) {
			wrong(fmt.Sprintf("Hosts[%d]", i), host, "must be a host name or an IP address, without scheme, port, brackets and wildcards")
		}
	}
	return errors.Join(errs...)
}

// ofConnection reports whether the field name would not reach the server, or
// not as it is, because it frames the message, names its target, or is about the
// connection (RFC 9110, section 7.6.1).
func ofConnection(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// hostOnly reports whether s can be what url.URL.Hostname returns.
func hostOnly(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	for i := range len(s) {
		// A name that is not in ASCII is compared as it stands in the URL.
		if c := s[i]; !letterOrDigit(c) && c != '-' && c != '.' && c != '_' && c < 0x80 {
			return false
		}
	}
	return s != ""
}

func letterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
