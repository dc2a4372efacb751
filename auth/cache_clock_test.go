package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
)

func TestSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			time.Sleep(2 * time.Second)
			return &auth.Token{AccessToken: auth.NewSecret("x"), Date: time.Now().Add(5*time.Minute - time.Second)}, nil
		})})
		require.Zero(t, cache.Skew())
		_, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, 5*time.Minute, cache.Skew())
	})
}

// A token ends by whichever clock is first: the wall clock goes on while the
// machine sleeps, and the other one does not notice when somebody sets the time.
func TestTwoClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		mono, wall time.Duration // until the end, by each clock
		passed     bool
	}{
		"neither":                  {time.Second, time.Second, false},
		"both":                     {0, 0, true},
		"after a sleep":            {time.Hour, -time.Second, true},
		"set back by an hour":      {-time.Second, time.Hour, true},
		"set back, not over":       {time.Second, time.Hour, false},
		"at the very nanosecond":   {time.Hour, 0, true},
		"a nanosecond before that": {1, 1, false},
	} {
		require.Equal(t, c.passed, auth.InstantPassed(now.Add(c.mono), now.Add(c.wall), now), name)
	}
}
