package httpx

import (
	"hash/maphash"
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
// that req goes to. Host names are compared without the case of ASCII letters, and
// a default port that is spelt out is the same as none. A name with other letters
// is compared as it is: Unicode's small letter of U+0130 is i, but IDNA leads the
// two to different hosts.
func Origin(req *http.Request) Key {
	if req.URL == nil {
		return Key{}
	}
	scheme, host := req.URL.Scheme, req.URL.Host
	if plain(host) {
		return Key{Scheme: scheme, Name: host}
	}
	host = lower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return Key{Scheme: scheme, Name: strings.TrimSuffix(host, ":")}
}

// lower returns host with its capitals from A to Z made small.
func lower(host string) string {
	if !strings.ContainsFunc(host, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		return host
	}
	b := []byte(host)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}

// Names reports whether k is certainly the origin of req: one that is spelt in
// another way is not recognised. It is cheaper than [Origin].
func (k Key) Names(req *http.Request) bool {
	return req.URL != nil && k.Name == req.URL.Host && k.Scheme == req.URL.Scheme && k.Scheme != ""
}

// Own makes an origin that is to be kept a string of its own. As it comes from
// a request it is a part of the URL, all of which would stay in memory. The
// result of a Key func is its author's.
func (k *Key) Own() {
	switch k.Scheme {
	case "":
		return
	case "http":
		k.Scheme = "http"
	case "https":
		k.Scheme = "https"
	default:
		k.Scheme = strings.Clone(k.Scheme)
	}
	k.Name = strings.Clone(k.Name)
}

// Hash returns a hash of the key.
func (k Key) Hash(seed maphash.Seed) uint64 {
	// The two schemes that there are differ in their length.
	return maphash.String(seed, k.Name) + uint64(len(k.Scheme))
}

// String returns the key as users see it, such as "https://api.example.com".
// It is never empty for an origin, and carries no path, query or userinfo.
func (k Key) String() string {
	if k.Scheme == "" {
		return k.Name
	}
	return k.Scheme + "://" + k.Name
}

// plain reports whether host is in its normal form already: no colon, no
// capital. It is asked twice on every call, and looks at eight bytes at a time.
func plain(host string) bool {
	if len(host) < 8 {
		for i := range len(host) {
			if !plainByte(host[i]) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(host)-8; i += 8 {
		if !plainWord(host[i : i+8]) {
			return false
		}
	}
	return plainWord(host[len(host)-8:])
}

// plainByte reports whether c is none of ':', 'A' to 'Z', and what lies between
// them, which hosts do not have, nor outside of ASCII.
func plainByte(c byte) bool { return c < ':' || 'Z' < c && c < 0x80 }

// plainWord is plainByte for eight bytes.
func plainWord(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	// With its top bit set no byte borrows from the next. What is left of that
	// bit says whether the byte was at least what is subtracted.
	atLeastColon := (w | tops) - ':'*ones
	beyondZ := (w | tops) - ('Z'+1)*ones
	return (atLeastColon&^beyondZ|w)&tops == 0
}
