package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// Place is where on a request a key goes.
type Place int

// The places.
const (
	// InHeader is a field of the header.
	InHeader Place = iota
	// InQuery is a parameter of the query. Servers and proxies log URLs: take
	// another place if there is one.
	InQuery
	// InCookie is a cookie.
	InCookie
)

// DefaultMinSwitch is the default of [KeyConfig].
const DefaultMinSwitch = 10 * time.Second

// KeyConfig says where an API key goes and where it comes from.
type KeyConfig struct {
	// Place is where the key goes. The zero value is the header.
	Place Place
	// Name is that of the field, the parameter or the cookie.
	Name string
	// Prefix stands before the key in a field of the header, such as "Token ".
	Prefix string
	// Keys has the keys: a [Keys] or a [*KeyFile], for example.
	Keys KeySource
	// MinSwitch is the least time from one change between the first and the
	// second key to the next, so that a server that refuses both is not asked
	// twice each time. 0 means [DefaultMinSwitch].
	MinSwitch time.Duration
}

// APIKey sends a key in a field, a parameter or a cookie. When a 401 comes and
// there is a second key, the request is sent again with that, and so are the
// requests after it. In this way a key can be replaced while requests go on: let
// the program have both keys, replace one at the server, then the other.
//
// Its error joins one error for each field that is wrong.
func APIKey(c KeyConfig) (Authorizer, error) {
	var errs []error
	wrong := func(field, reason string) { errs = append(errs, fmt.Errorf("auth: KeyConfig.%s %s", field, reason)) }
	switch {
	case c.Place < InHeader || c.Place > InCookie:
		wrong("Place", fmt.Sprintf("is %d: there is no such place", c.Place))
	case !header.IsToken(c.Name) && c.Place != InQuery, c.Name == "":
		wrong("Name", fmt.Sprintf("is %q: must be a token (RFC 9110, section 5.6.2)", c.Name))
	case c.Place == InHeader && slices.Contains(notKeys, http.CanonicalHeaderKey(c.Name)):
		wrong("Name", fmt.Sprintf("is %q: HTTP itself needs that field", c.Name))
	}
	if c.Prefix != "" && (c.Place != InHeader || !visible(strings.TrimRight(strings.ReplaceAll(c.Prefix, " ", "x"), " "))) {
		wrong("Prefix", fmt.Sprintf("is %q: must be visible ASCII, and is for the header", c.Prefix))
	}
	if isNil(c.Keys) {
		wrong("Keys", "is nil")
	}
	if c.MinSwitch < 0 {
		wrong("MinSwitch", fmt.Sprintf("is %v: must not be negative", c.MinSwitch))
	}
	k := &apiKey{config: c, name: c.Name}
	if c.Place == InHeader {
		k.name = http.CanonicalHeaderKey(c.Name)
	}
	if static, ok := c.Keys.(Keys); ok {
		if err := static.check(k.valid); err != nil {
			errs = append(errs, fmt.Errorf("auth: KeyConfig.Keys: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MinSwitch == 0 {
		k.config.MinSwitch = DefaultMinSwitch
	}
	return k, nil
}

// notKeys are fields that net/http writes itself, or that end at the next hop.
var notKeys = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade", "Te", "Cookie"}

type apiKey struct {
	config KeyConfig
	name   string

	mu       sync.Mutex
	keys     Keys // the pair that second is about
	second   bool // the second is the one in use
	switched time.Time
}

// valid reports whether a key can be sent.
func (k *apiKey) valid(s string) bool {
	if k.config.Place == InCookie {
		// A cookie-octet (RFC 6265, section 4.1.1) is none of these.
		return visible(s) && !strings.ContainsAny(s, `",;\`)
	}
	return visible(s)
}

// current asks for the keys and returns them with the lock held.
func (k *apiKey) current(ctx context.Context) (Keys, error) {
	keys, err := k.config.Keys.Keys(ctx)
	k.mu.Lock()
	if err != nil || !keys.First.IsZero() && keys.First.value == k.keys.First.value && keys.Second.value == k.keys.Second.value {
		return keys, err
	}
	if err := keys.check(k.valid); err != nil {
		return Keys{}, fmt.Errorf("auth: API key: %w", err)
	}
	if !keys.same(k.keys) {
		k.second, k.switched = false, time.Time{}
	}
	k.keys = keys
	return keys, nil
}

// choose returns the key in use, and the other one.
func (k *apiKey) choose(keys Keys) (use, other Secret) {
	if k.second {
		return keys.Second, keys.First
	}
	return keys.First, keys.Second
}

// key returns the key in use.
func (k *apiKey) key(ctx context.Context) (Secret, error) {
	keys, err := k.current(ctx)
	defer k.mu.Unlock()
	if err != nil {
		return Secret{}, err
	}
	key, _ := k.choose(keys)
	return key, nil
}

func (k *apiKey) Authorize(ctx context.Context, req *http.Request) error {
	key, err := k.key(ctx)
	if err != nil {
		return err
	}
	switch k.config.Place {
	case InQuery:
		req.URL.RawQuery = setParameter(req.URL.RawQuery, k.name, key.Reveal())
	case InCookie:
		setCookie(req.Header, k.name, key.Reveal())
	default:
		replaceField(req.Header, k.name, k.config.Prefix+key.Reveal())
	}
	return nil
}

func (k *apiKey) Challenge(ctx context.Context, sent *http.Request, _ *http.Response) bool {
	used := k.sentOf(sent)
	keys, err := k.current(ctx)
	defer k.mu.Unlock()
	if err != nil {
		return false
	}
	key, other := k.choose(keys)
	if !used.Equal(key) {
		return true // another request has found out already, or there are new keys
	}
	now := time.Now()
	if other.IsZero() || !k.switched.IsZero() && now.Sub(k.switched) < k.config.MinSwitch {
		return false
	}
	k.second, k.switched = !k.second, now
	return true
}

// sentOf returns the key that was sent.
func (k *apiKey) sentOf(sent *http.Request) Secret {
	switch k.config.Place {
	case InQuery:
		return NewSecret(sent.URL.Query().Get(k.name))
	case InCookie:
		if c, err := sent.Cookie(k.name); err == nil {
			return NewSecret(c.Value)
		}
		return Secret{}
	}
	return NewSecret(strings.TrimPrefix(sent.Header.Get(k.name), k.config.Prefix))
}

// String and GoString keep the keys out of texts.
func (*apiKey) String() string   { return "auth.APIKey" }
func (*apiKey) GoString() string { return "auth.APIKey" }

// setParameter replaces the parameters of that name, and leaves the others as
// they are written, since a signature may depend on that.
func setParameter(query, name, value string) string {
	pairs := make([]string, 0, 8)
	if query != "" {
		for pair := range strings.SplitSeq(query, "&") {
			raw, _, _ := strings.Cut(pair, "=")
			if plain, err := url.QueryUnescape(raw); err != nil || plain != name {
				pairs = append(pairs, pair)
			}
		}
	}
	return strings.Join(append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value)), "&")
}

// setCookie replaces the cookies of that name.
func setCookie(h http.Header, name, value string) {
	const space = " \t\r\n" // what net/http trims when it reads them
	var lines, pairs []string
	for other, values := range h {
		if sameField(other, "Cookie") {
			lines = append(lines, values...)
		}
	}
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.Trim(pair, space)
			if n, _, _ := strings.Cut(pair, "="); pair != "" && strings.Trim(n, space) != name {
				pairs = append(pairs, pair)
			}
		}
	}
	replaceField(h, "Cookie", strings.Join(append(pairs, name+"="+value), "; "))
}
