package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func newGuard(t testing.TB, c auth.Config) *auth.Guard {
	t.Helper()
	g, err := auth.New(c)
	require.NoError(t, err)
	return g
}

func newCache(t testing.TB, c auth.CacheConfig) *auth.Cache {
	t.Helper()
	cache, err := auth.NewCache(c)
	require.NoError(t, err)
	return cache
}

// counter is a source that gives out token-1, token-2 and so on.
type counter struct {
	n      atomic.Int64
	life   time.Duration
	takes  time.Duration
	before func() // called for each token, if not nil
}

func (c *counter) Token(ctx context.Context) (*auth.Token, error) {
	if c.before != nil {
		c.before()
	}
	if c.takes > 0 {
		select {
		case <-time.After(c.takes):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return &auth.Token{AccessToken: auth.NewSecret(fmt.Sprintf("token-%d", c.n.Add(1))), ExpiresIn: c.life}, nil
}

// fickle gives out a source that fails now and then.
func fickle() auth.Source {
	var n atomic.Int64
	return auth.SourceFunc(func(context.Context) (*auth.Token, error) {
		switch i := n.Add(1); i % 3 {
		case 0:
			return nil, errors.New("no token now")
		default:
			return &auth.Token{AccessToken: auth.NewSecret(fmt.Sprintf("token-%d", i))}, nil
		}
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	keys := func() auth.Authorizer {
		a, err := auth.APIKey(auth.KeyConfig{Name: "X-Api-Key", Keys: auth.Keys{First: auth.NewSecret("first"), Second: auth.NewSecret("second")}})
		require.NoError(t, err)
		return a
	}
	cached := func(s auth.Source) auth.Authorizer {
		return auth.Bearer(newCache(t, auth.CacheConfig{Source: s, MinForced: -1}))
	}
	for name, c := range map[string]struct {
		authorizer func() auth.Authorizer
		config     auth.Config
		direct     bool // no answer is made a 401
	}{
		"bearer":               {authorizer: func() auth.Authorizer { return cached(&counter{}) }},
		"slow source":          {authorizer: func() auth.Authorizer { return cached(&counter{takes: time.Millisecond, life: time.Minute}) }},
		"fickle":               {authorizer: func() auth.Authorizer { return auth.Bearer(fickle()) }},
		"key":                  {authorizer: keys},
		"bodies too long":      {authorizer: keys, config: auth.Config{MaxBuffer: 3}},
		"no replay":            {authorizer: keys, config: auth.Config{NoReplay: true}},
		"no 401":               {authorizer: func() auth.Authorizer { return cached(&counter{}) }, direct: true},
		"challenged each time": {authorizer: func() auth.Authorizer { return &stubborn{} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{New: func() rttest.Middleware {
				config := c.config
				config.Authorizer, config.DangerouslyAllowHTTP = c.authorizer(), true
				guard := newGuard(t, config)
				if c.direct {
					return guard.Wrap
				}
				return func(next http.RoundTripper) http.RoundTripper { return guard.Wrap(refusing(next)) }
			}})
		})
	}
}

func TestContractWithHooks(t *testing.T) {
	t.Parallel()
	rttest.Contract(t, rttest.Subject{
		New: func() rttest.Middleware {
			return newGuard(t, auth.Config{Authorizer: &stubborn{}, Origins: []string{"https://else.example.com"}}).Wrap
		},
		Hooked: func(callback func()) rttest.Middleware {
			config := auth.Config{
				Authorizer: &stubborn{callback: callback},
				Hooks: auth.Hooks{
					Replay:   func(auth.Event) { callback() },
					Withheld: func(auth.Event) { callback() },
					Refused:  func(auth.Event) { callback() },
				},
			}
			refuses := newGuard(t, config)
			config.Origins = []string{"https://else.example.com"}
			withholds := newGuard(t, config)
			config.Origins, config.DangerouslyAllowHTTP = nil, true
			guard := newGuard(t, config)
			var n atomic.Int64
			return func(next http.RoundTripper) http.RoundTripper {
				all := []http.RoundTripper{guard.Wrap(refusing(next)), refuses.Wrap(next), withholds.Wrap(next), guard.Wrap(next)}
				return rttest.Func(func(req *http.Request) (*http.Response, error) {
					return all[n.Add(1)%int64(len(all))].RoundTrip(req)
				})
			}
		},
	})
}

// refusing makes a 401 of every other good answer, so that all clauses see
// replays too.
func refusing(next http.RoundTripper) http.RoundTripper {
	return &refuser{next: next}
}

type refuser struct {
	next http.RoundTripper
	n    atomic.Int64
}

func (r *refuser) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err == nil && auth.ReplaysOf(&http.Response{Request: req}) == 0 && resp.StatusCode == http.StatusOK && r.n.Add(1)%2 == 0 {
		resp.StatusCode = http.StatusUnauthorized
	}
	return resp, err
}

func (r *refuser) CloseIdleConnections() {
	r.next.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// stubborn always has something new.
type stubborn struct {
	n        atomic.Int64
	callback func()
}

func (s *stubborn) Authorize(_ context.Context, req *http.Request) error {
	if s.callback != nil {
		s.callback()
	}
	n := s.n.Add(1)
	if n%7 == 0 {
		return errors.New("nothing new")
	}
	req.Header.Set("X-Key", strconv.FormatInt(n, 10))
	return nil
}

func (s *stubborn) Challenge(context.Context, *http.Request, *http.Response) bool {
	if s.callback != nil {
		s.callback()
	}
	return true
}
