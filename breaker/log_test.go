package breaker_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		c := one
		c.Hooks = breaker.LogHooks(rttest.NewLogger(&buf))
		b := newBreaker(t, c)
		require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)))
		require.Error(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
		time.Sleep(2 * time.Second)
		require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
		require.Equal(t, `level=WARN msg="circuit changed" key=https://api.example.com from=closed to=open reason="failures in a row: 1" until=2000-01-01T00:00:01.000Z
level=DEBUG msg="refused by the circuit" key=https://api.example.com reason=open retry_after=1.000000001s
level=INFO msg="circuit changed" key=https://api.example.com from=open to=half-open reason="time for a probe"
level=INFO msg="circuit changed" key=https://api.example.com from=half-open to=closed reason="the probes succeeded"
`, buf.String())
	})
	require.NotNil(t, breaker.LogHooks(nil).StateChange)
}
