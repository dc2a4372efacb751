package oauth_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// racing lets somebody else save a token while the server is asked.
func racing(t *testing.T, server *authtest.Server, store oauth.Store, token *auth.Token) {
	t.Helper()
	time.AfterFunc(time.Second, func() {
		record, err := store.Load(t.Context(), family)
		require.NoError(t, err)
		record.Token = token
		_, err = store.Save(t.Context(), family, record)
		require.NoError(t, err)
	})
}

func TestNewerTokenInTheStoreWins(t *testing.T) {
	t.Parallel()
	good := func() *auth.Token {
		return &auth.Token{AccessToken: auth.NewSecret("theirs"), RefreshToken: auth.NewSecret("theirs-too"), Expiry: time.Now().Add(time.Hour)}
	}
	for name, test := range map[string]struct {
		fault authtest.Fault
		token func(*authtest.Server) *auth.Token
		sent  int
		want  string // "": a token of the server
	}{
		"after invalid_grant": {
			authtest.Fault{Delay: 2 * time.Second, Status: 400, Body: `{"error":"invalid_grant"}`},
			func(*authtest.Server) *auth.Token { return good() }, 1, "theirs",
		},
		"after invalid_grant, to be refreshed": {
			authtest.Fault{Delay: 2 * time.Second, Status: 400, Body: `{"error":"invalid_grant"}`},
			func(s *authtest.Server) *auth.Token { return old(s.Login()) }, 2, "",
		},
		"after a lost answer": {
			authtest.Fault{Delay: 2 * time.Second, Break: true},
			func(*authtest.Server) *auth.Token { return good() }, 1, "theirs",
		},
		"after a success": {
			authtest.Fault{Delay: 2 * time.Second},
			func(*authtest.Server) *auth.Token { return good() }, 1, "theirs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withServer(t, func(t *testing.T, server *authtest.Server) {
				store := lockless{loggedIn(t, server)}
				r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
				defer r.Close()
				server.Fail(test.fault)
				racing(t, server, store, test.token(server))
				token, err := r.Token(t.Context())
				require.NoError(t, err)
				if test.want != "" {
					require.Equal(t, test.want, token.AccessToken.Reveal())
				}
				require.True(t, token.AccessToken.Equal(stored(t, store).AccessToken))
				require.Len(t, server.Requests(), test.sent)
				require.False(t, r.Unsaved())
			})
		})
	}
}

func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	down := errors.New("the disk is full")
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		var failures atomic.Int64
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store, Hooks: oauth.RefreshHooks{StoreFailed: func(err error) {
			require.ErrorIs(t, err, down)
			failures.Add(1)
		}}})
		defer r.Close()
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		require.Zero(t, failures.Load())

		for _, part := range []*atomic.Pointer[error]{&store.save, &store.load, &store.lock} {
			part.Store(&down)
		}
		saves := store.saves.Load()
		var last *auth.Token
		for range 3 {
			_, err = r.Token(t.Context())
			require.NoError(t, err, "memory goes on")
		}
		require.Positive(t, failures.Load())
		require.True(t, r.Unsaved())
		time.Sleep(time.Hour)
		require.Less(t, store.saves.Load()-saves, int64(100), "with longer and longer waits")
		store.load.Store(nil)
		store.lock.Store(nil)
		last, err = r.Token(t.Context())
		require.NoError(t, err, "what the store has is outdated, and nobody sends it")
		store.save.Store(nil)
		time.Sleep(2 * time.Minute)
		require.False(t, r.Unsaved())
		require.True(t, stored(t, store).AccessToken.Equal(last.AccessToken))
		require.Len(t, server.Requests(), 5)
		_, err = r.Token(t.Context())
		require.NoError(t, err)
	})
}

func TestStoreIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	for _, part := range []func(*flaky) *atomic.Pointer[error]{
		func(f *flaky) *atomic.Pointer[error] { return &f.load }, func(f *flaky) *atomic.Pointer[error] { return &f.lock },
	} {
		refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
			part(store).Store(&down)
			_, err := r.Token(t.Context())
			require.Equal(t, auth.Transient, tokenError(t, err).Kind)
			require.ErrorIs(t, err, down)
			require.Error(t, r.Login(t.Context(), old("x")))
			part(store).Store(nil)
			_, err = r.Token(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestCloseEndsTheSaving(t *testing.T) {
	t.Parallel()
	down := errors.New("the disk is full")
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
		store.save.Store(&down)
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		require.NoError(t, r.Close())
		synctest.Wait() // and the bubble would not end with a goroutine left
		require.True(t, r.Unsaved())
	})
}

func TestLockThatNobodyGivesUp(t *testing.T) {
	t.Parallel()
	refreshing(t, oauth.RefreshConfig{Timeout: 20 * time.Second}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		unlock, err := store.Lock(t.Context(), family, time.Hour)
		require.NoError(t, err)
		before := time.Now()
		_, err = r.Token(t.Context())
		require.Equal(t, auth.Transient, tokenError(t, err).Kind)
		require.Equal(t, 20*time.Second, time.Since(before))
		unlock()
		synctest.Wait()
		_, err = r.Token(t.Context())
		require.NoError(t, err)
		require.Len(t, server.Requests(), 1)
	})
}

// TestLockHeldByAnotherIsNoFailureOfTheStore shows that a token in memory does
// not make a Refresher go on without the lock that somebody else has.
func TestLockHeldByAnotherIsNoFailureOfTheStore(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store, Timeout: 20 * time.Second, Hooks: oauth.RefreshHooks{
			StoreFailed: func(err error) { t.Error(err) },
		}})
		defer r.Close()
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		unlock, err := store.Lock(t.Context(), family, time.Hour)
		require.NoError(t, err)
		_, err = r.Token(t.Context())
		require.Equal(t, auth.Transient, tokenError(t, err).Kind)
		unlock()
		synctest.Wait()
		require.Len(t, server.Requests(), 1)
	})
}

// restless is a store that has another login each time.
type restless struct {
	oauth.MemoryStore
	n atomic.Int64
}

func (s *restless) Load(context.Context, string) (oauth.Record, error) {
	n := strconv.FormatInt(s.n.Add(1), 10)
	return oauth.Record{Token: old(n), Version: n}, nil
}

func TestRestlessStore(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		r := newRefresher(t, server, oauth.RefreshConfig{Store: new(restless)})
		defer r.Close()
		_, err := r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrReauthRequired)
		require.Len(t, server.Requests(), 3)
	})
}
