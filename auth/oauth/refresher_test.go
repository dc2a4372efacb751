package oauth_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/retry"
)

const family = "alice"

// old is the token of a login that has to be refreshed.
func old(refresh string) *auth.Token {
	return &auth.Token{AccessToken: auth.NewSecret("old"), RefreshToken: auth.NewSecret(refresh), Expiry: time.Now()}
}

// loggedIn returns a store with a token of a login to s that has expired.
func loggedIn(t testing.TB, s *authtest.Server) *flaky {
	t.Helper()
	store := new(flaky)
	logIn(t, s, store)
	return store
}

// logIn saves the token of a new login, which has expired.
func logIn(t testing.TB, s *authtest.Server, store oauth.Store) {
	t.Helper()
	_, err := store.Save(t.Context(), family, oauth.Record{Token: old(s.Login())})
	require.NoError(t, err)
}

// withServer runs f in a bubble in which there is an authorization server.
func withServer(t *testing.T, f func(*testing.T, *authtest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		f(t, server)
	})
}

// refreshing runs f in a bubble with a Refresher, whose store has a login.
func refreshing(t *testing.T, c oauth.RefreshConfig, f func(*testing.T, *authtest.Server, *flaky, *oauth.Refresher)) {
	t.Helper()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		c.Store = store
		r := newRefresher(t, server, c)
		defer r.Close()
		f(t, server, store, r)
	})
}

// flaky is a store that fails when it is told to.
type flaky struct {
	oauth.MemoryStore
	load, save, lock atomic.Pointer[error]
	loads, saves     atomic.Int64
	slow             atomic.Int64 // how long saving takes, in nanoseconds
}

func (f *flaky) Load(ctx context.Context, key string) (oauth.Record, error) {
	f.loads.Add(1)
	if err := f.load.Load(); err != nil {
		return oauth.Record{}, *err
	}
	return f.MemoryStore.Load(ctx, key)
}

func (f *flaky) Save(ctx context.Context, key string, r oauth.Record) (string, error) {
	f.saves.Add(1)
	time.Sleep(time.Duration(f.slow.Load()))
	if err := f.save.Load(); err != nil {
		return "", *err
	}
	return f.MemoryStore.Save(ctx, key, r)
}

func (f *flaky) Lock(ctx context.Context, key string, d time.Duration) (func(), error) {
	if err := f.lock.Load(); err != nil {
		return nil, *err
	}
	return f.MemoryStore.Lock(ctx, key, d)
}

// lockless is a store without a lock.
type lockless struct{ oauth.Store }

func newRefresher(t testing.TB, s *authtest.Server, c oauth.RefreshConfig) *oauth.Refresher {
	t.Helper()
	config := configOf(s)
	config.Retry = retry.Config{}
	c.Key = family
	r, err := newClient(t, config).Refresher(c)
	require.NoError(t, err)
	return r
}

func stored(t testing.TB, s oauth.Store) *auth.Token {
	t.Helper()
	record, err := s.Load(t.Context(), family)
	require.NoError(t, err)
	return record.Token
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		seen := make(map[string]bool)
		for range 5 {
			token, err := r.Token(t.Context())
			require.NoError(t, err)
			require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken), "it is saved before it is used")
			require.True(t, stored(t, store).RefreshToken.Equal(token.RefreshToken))
			require.False(t, seen[token.RefreshToken.Reveal()])
			seen[token.RefreshToken.Reveal()] = true
		}
		require.Len(t, server.Requests(), 5)
		require.False(t, r.Unsaved())
	})
}

func TestRefreshTokenThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{NoRotation: true})
		defer server.Close()
		store := loggedIn(t, server)
		before := stored(t, store).RefreshToken
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store, Scopes: []string{"a"}})
		defer r.Close()
		for range 2 {
			token, err := r.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, token.Scopes)
			require.True(t, stored(t, store).RefreshToken.Equal(before))
		}
		require.Equal(t, "a", server.Requests()[0].Form.Get("scope"))
	})
}

// TestStoredTokenIsTakenOver shows that a process that starts does not refresh a
// token that is good.
func TestStoredTokenIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		left, lifetime time.Duration // 0: not known
		asked          int
	}{
		"good for long":       {time.Hour, time.Hour, 0},
		"good for an unknown": {0, 0, 0},
		"just good enough":    {31 * time.Second, time.Hour, 0},
		"almost over":         {29 * time.Second, time.Hour, 1},
		"short-lived":         {11 * time.Second, 20 * time.Second, 0},
		"over":                {-time.Second, time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withServer(t, func(t *testing.T, server *authtest.Server) {
				store := new(oauth.MemoryStore)
				r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
				defer r.Close()
				token := old(server.Login())
				token.Expiry = time.Time{}
				if test.lifetime > 0 {
					token.Expiry = time.Now().Add(test.left)
					token.Issued = token.Expiry.Add(-test.lifetime)
				}
				require.NoError(t, r.Login(t.Context(), token))
				got, err := r.Token(t.Context())
				require.NoError(t, err)
				require.Len(t, server.Requests(), test.asked)
				require.Equal(t, test.asked == 0, got.AccessToken.Equal(token.AccessToken))
				// Who asks again does not want the same.
				got, err = r.Token(t.Context())
				require.NoError(t, err)
				require.False(t, got.AccessToken.Equal(token.AccessToken))
			})
		})
	}
}

// TestReplicasRefreshOnce has one refresh for each time that the token runs out,
// however many share the store.
func TestReplicasRefreshOnce(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		var caches []*auth.Cache
		for range 8 {
			r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
			defer r.Close()
			caches = append(caches, newCache(t, auth.CacheConfig{Source: r, Early: -1}))
		}
		for round := 1; round <= 5; round++ {
			var wg sync.WaitGroup
			for _, c := range caches {
				for range 4 {
					wg.Go(func() {
						_, err := c.Token(t.Context())
						require.NoError(t, err)
					})
				}
			}
			wg.Wait()
			require.Len(t, server.Requests(), round)
			time.Sleep(time.Hour)
		}
	})
}

func TestCallersWhoLeaveLoseNothing(t *testing.T) {
	t.Parallel()
	refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		server.Fail(authtest.Fault{Delay: 5 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		_, err := r.Token(ctx)
		require.Equal(t, auth.Canceled, tokenError(t, err).Kind)
		require.Equal(t, time.Second, time.Since(before))
		time.Sleep(10 * time.Second)
		require.NotEqual(t, "old", stored(t, store).AccessToken.Reveal())
		token, err := r.Token(t.Context())
		require.NoError(t, err)
		require.True(t, token.AccessToken.Equal(stored(t, store).AccessToken))
		require.Len(t, server.Requests(), 1, "nobody has had it yet")
	})
}

func TestRefreshFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults []authtest.Fault
		sent   int
		want   auth.Kind // 0: a token
	}{
		"refused":              {[]authtest.Fault{{Refuse: true, Times: 2}}, 3, 0},
		"500":                  {[]authtest.Fault{{Status: 500, Times: 2}}, 3, 0},
		"429":                  {[]authtest.Fault{{Status: 429, Header: []string{"Retry-After", "1"}}}, 2, 0},
		"429 for long":         {[]authtest.Fault{{Status: 429, Header: []string{"Retry-After", "60"}}}, 1, auth.Transient},
		"broken once":          {[]authtest.Fault{{Break: true}}, 2, 0},
		"broken twice":         {[]authtest.Fault{{Break: true, Times: 2}}, 2, auth.Transient},
		"hanging once":         {[]authtest.Fault{{Hang: true}}, 2, 0},
		"truncated once":       {[]authtest.Fault{{Status: 200, Body: "{", Cut: true}}, 2, 0},
		"lost after rotation":  {[]authtest.Fault{{Lose: true}}, 2, auth.Permanent},
		"nonsense":             {[]authtest.Fault{{Status: 200, Body: "[]"}}, 1, auth.Protocol},
		"lost, then no answer": {[]authtest.Fault{{Break: true}, {Status: 503, Times: -1}}, 4, auth.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withServer(t, func(t *testing.T, server *authtest.Server) {
				r := newRefresher(t, server, oauth.RefreshConfig{Store: loggedIn(t, server)})
				defer r.Close()
				server.Fail(test.faults...)
				_, err := r.Token(t.Context())
				if test.want == 0 {
					require.NoError(t, err)
				} else {
					require.Equal(t, test.want, tokenError(t, err).Kind, "%v", err)
				}
				require.Len(t, server.Requests(), test.sent)
			})
		})
	}
}

// TestDeadRefreshTokenIsSentOnce also shows that the user is asked once.
func TestDeadRefreshTokenIsSentOnce(t *testing.T) {
	t.Parallel()
	refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		asked := 0
		cache := newCache(t, auth.CacheConfig{Source: r, Hooks: auth.CacheHooks{ReauthRequired: func(error) { asked++ }}})
		server.EndLogins()
		for range 20 {
			_, err := cache.Token(t.Context())
			require.ErrorIs(t, err, auth.ErrReauthRequired)
			require.Equal(t, auth.Permanent, tokenError(t, err).Kind)
			time.Sleep(time.Hour)
		}
		require.Len(t, server.Requests(), 1)
		require.Equal(t, 1, asked)
		// Another process has a new login.
		record, err := store.Load(t.Context(), family)
		require.NoError(t, err)
		record.Token = old(server.Login())
		_, err = store.Save(t.Context(), family, record)
		require.NoError(t, err)
		_, err = cache.Token(t.Context())
		require.NoError(t, err)
	})
}

func TestNobodyHasLoggedIn(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		r := newRefresher(t, server, oauth.RefreshConfig{})
		defer r.Close()
		_, err := r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrReauthRequired)
		require.NoError(t, r.Login(t.Context(), &auth.Token{AccessToken: auth.NewSecret("a"), Expiry: time.Now()}))
		_, err = r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrReauthRequired, "there is no refresh token")
		require.Empty(t, server.Requests())
		require.Error(t, r.Login(t.Context(), nil))
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, err = r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrClosed)
		require.Equal(t, auth.Canceled, tokenError(t, err).Kind)
	})
}
