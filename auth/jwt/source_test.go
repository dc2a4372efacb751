package jwt_test

import (
	"crypto"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/jwt"
)

// service is a key that lives elsewhere: it takes its time and may be down.
type service struct {
	crypto.Signer
	takes time.Duration
	calls atomic.Int64
	down  atomic.Bool
}

var errDown = errors.New("the service is down")

func (s *service) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.calls.Add(1)
	time.Sleep(s.takes)
	if s.down.Load() {
		return nil, errDown
	}
	return s.Signer.Sign(r, digest, opts)
}

// A cached Minter signs once for all who come at once, and each token that it
// gives out is good for a while. After the first one nobody waits.
func TestCachedMinter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := &service{Signer: edPriv(), takes: 100 * time.Millisecond}
		tokens, err := auth.NewCache(auth.CacheConfig{Source: minter(t, jwt.SelfSigned("iss", "aud", "k", key))})
		require.NoError(t, err)
		defer tokens.Close()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := tokens.Token(t.Context())
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, key.calls.Load())

		v, err := jwt.New(jwt.Config{
			Keys: jwt.KeySet{publicKey(t, "k", jwt.EdDSA, key.Public())}, Algorithms: []jwt.Algorithm{jwt.EdDSA},
			Issuer: "iss", Audiences: []string{"aud"}, Leeway: -1,
		})
		require.NoError(t, err)
		begin := time.Now()
		for time.Since(begin) < time.Hour {
			at := time.Now()
			token, err := tokens.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, at, time.Now(), "it has waited")
			verified, err := v.Verify(t.Context(), token.AccessToken.Reveal())
			require.NoError(t, err)
			require.Equal(t, token.Expiry.Unix(), verified.Expiry.Unix())
			require.Greater(t, time.Until(verified.Expiry), auth.DefaultMargin)
			time.Sleep(time.Second)
		}
		// Five minutes each, of which at least four and at most 252 s are used.
		require.GreaterOrEqual(t, key.calls.Load(), int64(14))
		require.LessOrEqual(t, key.calls.Load(), int64(16))
	})
}

// While the key cannot be reached the token of before is good, and then callers
// learn it at once.
func TestCachedMinterWithoutItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := &service{Signer: edPriv(), takes: 100 * time.Millisecond}
		tokens, err := auth.NewCache(auth.CacheConfig{Source: minter(t, jwt.SelfSigned("iss", "aud", "k", key))})
		require.NoError(t, err)
		defer tokens.Close()
		first, err := tokens.Token(t.Context())
		require.NoError(t, err)
		key.down.Store(true)
		for time.Until(first.Expiry) > auth.DefaultMargin+time.Second {
			token, err := tokens.Token(t.Context())
			require.NoError(t, err)
			require.True(t, first.AccessToken.Equal(token.AccessToken))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * auth.DefaultMargin)
		_, err = tokens.Token(t.Context())
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, auth.Transient, e.Kind)
		key.down.Store(false)
		time.Sleep(auth.DefaultMaxBackoff)
		token, err := tokens.Token(t.Context())
		require.NoError(t, err)
		require.False(t, first.AccessToken.Equal(token.AccessToken))
	})
}
