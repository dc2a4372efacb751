package oauth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/auth/oauth/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) func() oauth.Store {
		s := new(oauth.MemoryStore)
		return func() oauth.Store { return s }
	})
}

// doubtful is a store that says that it has failed after it has saved.
type doubtful struct {
	oauth.MemoryStore
	lies atomic.Int64
	slow time.Duration
}

func (d *doubtful) Save(ctx context.Context, key string, r oauth.Record) (string, error) {
	time.Sleep(d.slow)
	version, err := d.MemoryStore.Save(ctx, key, r)
	if err == nil && d.lies.Add(-1) >= 0 {
		return "", errors.New("no answer")
	}
	return version, err
}

// TestSavesInDoubt shows that the store never brings back a refresh token that
// was used up: the server would end the login.
func TestSavesInDoubt(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 900 * time.Millisecond, 3 * time.Second} {
		for lies := range int64(12) {
			withServer(t, func(t *testing.T, server *authtest.Server) {
				server.Fail(authtest.Fault{Delay: slow * 2 / 3, Times: -1})
				store := &doubtful{slow: slow}
				logIn(t, server, store)
				r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
				defer r.Close()
				store.lies.Store(lies)
				var token *auth.Token
				for range 8 {
					var err error
					token, err = r.Token(t.Context())
					require.NoError(t, err)
				}
				time.Sleep(time.Hour)
				require.False(t, r.Unsaved())
				require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken))
			})
		}
	}
}

// TestSavesFailAtRandomTimes breaks the store while tokens come and the saving
// goes on.
func TestSavesFailAtRandomTimes(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for mask := range 64 {
		refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
			var token *auth.Token
			for round := range 6 {
				store.save.Store(nil)
				if mask&(1<<round) != 0 {
					store.save.Store(&down)
				}
				var err error
				token, err = r.Token(t.Context())
				require.NoError(t, err, "mask %b round %d", mask, round)
				time.Sleep(time.Duration(round) * 700 * time.Millisecond)
			}
			store.save.Store(nil)
			time.Sleep(time.Hour)
			require.False(t, r.Unsaved())
			require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken))
		})
	}
}

// patient is a store that takes its time, unless the context ends.
type patient struct{ oauth.MemoryStore }

func (p *patient) Save(ctx context.Context, key string, r oauth.Record) (string, error) {
	select {
	case <-time.After(2 * time.Second):
		return p.MemoryStore.Save(ctx, key, r)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func TestCloseDoesNotLoseARefreshTokenThatIsHere(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := new(patient)
		logIn(t, server, store)
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
		time.AfterFunc(time.Second, func() { r.Close() })
		_, err := r.Token(t.Context())
		require.ErrorIs(t, err, auth.ErrClosed)
		time.Sleep(5 * time.Second)
		require.NotEqual(t, "old", stored(t, store).AccessToken.Reveal())
	})
}

// TestLoginElsewhereWhileSavingFails has a token that could not be saved, another
// one on its way, and then a new login by somebody else.
func TestLoginElsewhereWhileSavingFails(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := loggedIn(t, server)
		r := newRefresher(t, server, oauth.RefreshConfig{Store: lockless{store}})
		defer r.Close()
		store.save.Store(&down)
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		server.Fail(authtest.Fault{Delay: 9 * time.Second})
		theirs := old(server.Login())
		time.AfterFunc(time.Second, func() {
			record, err := store.MemoryStore.Load(t.Context(), family)
			require.NoError(t, err)
			record.Token = theirs
			_, err = store.MemoryStore.Save(t.Context(), family, record)
			require.NoError(t, err)
			store.save.Store(nil)
		})
		_, err = r.Token(t.Context())
		require.NoError(t, err)
		require.True(t, stored(t, store).RefreshToken.Equal(theirs.RefreshToken), "the new login counts")
		require.False(t, r.Unsaved())
		_, err = r.Token(t.Context())
		require.NoError(t, err)
	})
}

func TestTokenComesWhileTheOneBeforeIsSaved(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		store.save.Store(&down)
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		store.load.Store(&down)
		store.save.Store(nil)
		store.slow.Store(int64(4 * time.Second))
		server.Fail(authtest.Fault{Delay: 3 * time.Second})
		token, err := r.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		store.load.Store(nil)
		require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken))
		require.False(t, r.Unsaved())
	})
}

func TestSavedTokenIsFoundWhileTheNextOneComes(t *testing.T) {
	t.Parallel()
	withServer(t, func(t *testing.T, server *authtest.Server) {
		store := new(blind)
		logIn(t, server, store)
		r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
		defer r.Close()
		_, err := r.Token(t.Context())
		require.NoError(t, err)
		store.dark.Store(true)
		store.lies.Store(1)
		_, err = r.Token(t.Context())
		require.NoError(t, err)
		require.True(t, r.Unsaved())
		server.Fail(authtest.Fault{Delay: 9 * time.Second})
		time.AfterFunc(time.Second, func() { store.dark.Store(false) })
		token, err := r.Token(t.Context())
		require.NoError(t, err)
		require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken))
		_, err = r.Token(t.Context())
		require.NoError(t, err)
	})
}

func TestStoreIsDownForAVeryLongTime(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	refreshing(t, oauth.RefreshConfig{}, func(t *testing.T, server *authtest.Server, store *flaky, r *oauth.Refresher) {
		store.save.Store(&down)
		for range 40 {
			_, err := r.Token(t.Context())
			require.NoError(t, err)
		}
		store.save.Store(nil)
		token, err := r.Token(t.Context())
		require.NoError(t, err)
		require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken))
	})
}

// blind is a doubtful store that cannot be read at times either.
type blind struct {
	doubtful
	dark atomic.Bool
}

func (b *blind) Load(ctx context.Context, key string) (oauth.Record, error) {
	if b.dark.Load() {
		return oauth.Record{}, errors.New("no connection")
	}
	return b.MemoryStore.Load(ctx, key)
}

// TestSavesInDoubtInTheDark lets the store have a token that it should have, but
// of which nobody knows, when the next one is there already.
func TestSavesInDoubtInTheDark(t *testing.T) {
	t.Parallel()
	for mask := range 64 {
		withServer(t, func(t *testing.T, server *authtest.Server) {
			store := new(blind)
			logIn(t, server, store)
			r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
			defer r.Close()
			_, err := r.Token(t.Context())
			require.NoError(t, err)
			var token *auth.Token
			for round := range 6 {
				dark := mask&(1<<round) != 0
				store.dark.Store(dark)
				if dark {
					store.lies.Store(1)
				}
				token, err = r.Token(t.Context())
				require.NoError(t, err, "mask %b round %d", mask, round)
			}
			store.dark.Store(false)
			time.Sleep(time.Hour)
			require.False(t, r.Unsaved())
			require.True(t, stored(t, store).AccessToken.Equal(token.AccessToken), "mask %b", mask)
		})
	}
}

func FuzzDecodeToken(f *testing.F) {
	data, err := oauth.EncodeToken(old("r"))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"access_token":"a","extra":{"x":null}}`))
	f.Add([]byte(`{"access_token":"a","access_token":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := oauth.DecodeToken(data)
		if err != nil {
			return
		}
		require.False(t, token.AccessToken.IsZero())
		again, err := oauth.EncodeToken(token)
		require.NoError(t, err)
		twice, err := oauth.DecodeToken(again)
		require.NoError(t, err)
		third, err := oauth.EncodeToken(twice)
		require.NoError(t, err)
		require.Equal(t, string(again), string(third))
	})
}

func FuzzTokenAnswer(f *testing.F) {
	for _, fault := range authtest.TokenFaults() {
		if len(fault.Body) < 1000 {
			f.Add("application/json", []byte(fault.Body))
		}
	}
	f.Add("application/json; charset=utf-8", []byte(`{"access_token":"a","token_type":"bearer","expires_in":"7","scope":["x"]}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		token, err := oauth.DecodeAnswer(contentType, body)
		if err != nil {
			require.NotZero(t, tokenError(t, err).Kind)
			return
		}
		for _, c := range []byte(token.AccessToken.Reveal()) {
			require.True(t, c > ' ' && c < 0x7f)
		}
		require.NotEmpty(t, token.AccessToken.Reveal())
		require.GreaterOrEqual(t, token.ExpiresIn, time.Duration(0))
		require.LessOrEqual(t, token.ExpiresIn, 10*365*24*time.Hour)
		_, err = oauth.EncodeToken(token)
		require.NoError(t, err)
	})
}
