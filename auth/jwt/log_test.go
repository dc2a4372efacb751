package jwt_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		s := serve(edSet(1))
		s.latency = time.Second
		j := newJWKS(t, s, jwt.JWKSConfig{Hooks: jwt.LogHooks(rttest.NewLogger(&buf))})
		_, err := j.Keys(t.Context(), "k1", jwt.EdDSA)
		require.NoError(t, err)
		s.status.Store(500)
		time.Sleep(time.Minute)
		_, err = j.Keys(t.Context(), "k2", jwt.EdDSA)
		require.Error(t, err)
		synctest.Wait()
		require.Equal(t, `level=DEBUG msg="key set fetched" keys=1 ignored=0 took=1s
level=WARN msg="key set not fetched" took=1s error="fetch from https://issuer.example: status 500"
`, buf.String())
	})
	require.NotNil(t, jwt.LogHooks(nil).Fetched)
}
