package httpx

import (
	"net/http"
	"strings"
)

// Key names the state that a request belongs to: by default its origin. It is
// comparable, and making one allocates nothing for an ordinary URL.
type Key struct {
	// Scheme is empty in a key that a Key func of the user made.
	Scheme string
	// Name is the host and port of an origin, or what the Key func returned.
	Name string
}

// KeyOf returns the key of req: what key returns, or the origin of the URL when
// key is nil.
func KeyOf(req *http.Request, key func(*http.Request) string) Key {
	if key != nil {
		return Key{Name: key(req)}
	}
	return Origin(req)
}

// Origin returns the scheme, host and port (RFC 6454, section 4) of the server
// that req goes to. Host names are compared without case, and a default port
// that is spelt out is the same as none.
func Origin(req *http.Request) Key {
	if req.URL == nil {
		return Key{}
	}
	scheme, host := req.URL.Scheme, req.URL.Host
	if plain(host) {
		return Key{Scheme: scheme, Name: host}
	}
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return Key{Scheme: scheme, Name: strings.TrimSuffix(host, ":")}
}

// String returns the key as users see it, such as "https://api.example.com".
// It is never empty for an origin, and carries no path, query or userinfo.
func (k Key) String() string {
	if k.Scheme == "" {
		return k.Name
	}
	return k.Scheme + "://" + k.Name
}

// plain reports whether host is already in its normal form.
func plain(host string) bool {
	for i := range len(host) {
		if c := host[i]; c == ':' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
