package breaker_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// Circuits of hosts that are dead, and that nobody asks any more, do not take
// the place of those that are in use.
func TestDeadCircuitsMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		c.MaxKeys = 10
		b := newBreaker(t, c)
		for i := range 10 {
			trip(t, b, fmt.Sprintf("dead%d.example.com", i))
		}
		time.Sleep(365 * 24 * time.Hour)
		refused := 0
		bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
		for i := range 200 {
			if errors.Is(call(bad, newRequest(t, fmt.Sprintf("live%d.example.com", i%2))), breaker.ErrOpen) {
				refused++
			}
		}
		require.Greater(t, refused, 150)
	})
}

func TestKey(t *testing.T) {
	t.Parallel()
	c := one
	c.Key = func(req *http.Request) string { return req.URL.Query().Get("tenant") }
	b := newBreaker(t, c)
	request := func(tenant string) *http.Request {
		req := newRequest(t, host)
		req.URL.RawQuery = "tenant=" + tenant
		return req
	}
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), request("a")))
	var e *breaker.OpenError
	require.ErrorAs(t, call(b.Wrap(rttest.NewScript()), request("a")), &e)
	require.Equal(t, "a", e.Key)
	require.NoError(t, call(b.Wrap(rttest.NewScript()), request("b")))
}

// However many keys there are, open circuits are not forgotten for closed ones.
func TestOpenCircuitOutlivesManyKeys(t *testing.T) {
	t.Parallel()
	c := one
	c.MaxKeys, c.OpenTimeout = 100, time.Hour
	b := newBreaker(t, c)
	trip(t, b, host)
	good := b.Wrap(rttest.NewScript())
	for i := range 10_000 {
		require.NoError(t, call(good, newRequest(t, fmt.Sprintf("host%d.example.com", i))))
	}
	require.ErrorIs(t, b.Ready(newRequest(t, host)), breaker.ErrOpen)
}
