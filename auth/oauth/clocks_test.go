package oauth_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// elsewhere is a store as a replica sees it whose clock is ahead.
type elsewhere struct {
	oauth.Locker
	store oauth.Store
	ahead time.Duration
}

func (s elsewhere) Load(ctx context.Context, key string) (oauth.Record, error) {
	r, err := s.store.Load(ctx, key)
	return shifted(r, -s.ahead), err
}

func (s elsewhere) Save(ctx context.Context, key string, r oauth.Record) (string, error) {
	return s.store.Save(ctx, key, shifted(r, s.ahead))
}

// shifted returns r with its times by another clock.
func shifted(r oauth.Record, d time.Duration) oauth.Record {
	if r.Token != nil {
		r.Token = r.Token.Clone()
		r.Token.Issued, r.Token.Expiry = r.Token.Issued.Add(d), r.Token.Expiry.Add(d)
	}
	return r
}

// Replicas whose clocks are wrong take each other's tokens for older or younger
// than they are. That costs refreshes, but not a storm of them, and never the
// login.
func TestReplicasWithWrongClocks(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour, "a minute ahead": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withServer(t, func(t *testing.T, server *authtest.Server) {
				right := loggedIn(t, server)
				var caches []*auth.Cache
				for _, store := range []oauth.Store{right, elsewhere{right, right, ahead}, elsewhere{right, right, ahead}} {
					r := newRefresher(t, server, oauth.RefreshConfig{Store: store})
					defer r.Close()
					caches = append(caches, newCache(t, auth.CacheConfig{Source: r}))
				}
				const hours = 24
				for range hours * 60 {
					for _, c := range caches {
						_, err := c.Token(t.Context())
						require.NoError(t, err)
					}
					time.Sleep(time.Minute)
				}
				require.LessOrEqual(t, len(server.Requests()), 2*hours*len(caches))
			})
		})
	}
}
