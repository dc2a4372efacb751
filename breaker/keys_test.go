package breaker_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
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

// Nor are those that are on their way back: forgotten, they would let all calls
// through.
func TestProbesOutliveManyKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		c.MaxKeys = 100
		b := newBreaker(t, c)
		good := b.Wrap(rttest.NewScript())
		flood := func() {
			for i := range 1000 {
				require.NoError(t, call(good, newRequest(t, fmt.Sprintf("host%d.example.com", i))))
			}
		}
		trip(t, b, host)
		time.Sleep(c.OpenTimeout + breaker.DefaultWindow)
		flood()
		resp, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "answer"})).RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		flood()
		require.ErrorIs(t, call(good, newRequest(t, host)), breaker.ErrOpen, "the probe is under way")
		require.NoError(t, readAll(resp))
		require.NoError(t, call(good, newRequest(t, host)))
	})
}

func keyFromHeader(req *http.Request) string { return req.Header.Get("Key") }

// When all circuits are open there is still no more than the bound of them, and
// those that had to go are closed again.
func TestOpenCircuitsAreBounded(t *testing.T) {
	t.Parallel()
	const all, most = 30, 10
	c := one
	c.MaxKeys, c.OpenTimeout = most, time.Hour
	b := newBreaker(t, c)
	for i := range all {
		trip(t, b, fmt.Sprintf("dead%d.example.com", i))
	}
	open := 0
	for i := range all {
		if b.Ready(newRequest(t, fmt.Sprintf("dead%d.example.com", i))) != nil {
			open++
		}
	}
	require.Equal(t, most, open)
	require.Len(t, b.Snapshot(), most)
}

// However many keys a Key func makes up, no more than MaxKeys are remembered,
// and an open circuit is one of them.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	c := one
	c.MaxKeys, c.OpenTimeout, c.Key = 100, time.Hour, keyFromHeader
	b := newBreaker(t, c)
	req := newRequest(t, host)
	req.Header.Set("Key", "victim")
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), req))
	good := b.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	flood := newRequest(t, host)
	for i := range 100_000 {
		flood.Header.Set("Key", strconv.Itoa(i))
		require.NoError(t, call(good, flood))
		if i%10_000 == 0 {
			require.LessOrEqual(t, len(b.Snapshot()), 100)
		}
	}
	require.ErrorIs(t, b.Ready(req), breaker.ErrOpen)
}

// A Key func that panics harms the call that it was asked for and no other.
func TestKeyPanics(t *testing.T) {
	t.Parallel()
	c := one
	c.Key = func(req *http.Request) string {
		if req.Header.Get("Key") == "" {
			panic(errBroken)
		}
		return "key"
	}
	b := newBreaker(t, c)
	bad := newRequest(t, host)
	body := rttest.NewBody("payload")
	bad.Body = body
	s := rttest.NewScript()
	for range 100 {
		require.PanicsWithValue(t, errBroken, func() { _ = call(b.Wrap(s), bad) })
	}
	require.Equal(t, 100, body.Closes())
	require.Empty(t, s.Calls())
	require.Empty(t, b.Snapshot())
	good := newRequest(t, host)
	good.Header.Set("Key", "good")
	require.NoError(t, call(b.Wrap(s), good))
	require.Equal(t, breaker.Counts{Successes: 1}, b.Snapshot()[0].Counts)
}

// The circuit of an origin does not keep the URL that it came from.
func TestCircuitDoesNotKeepTheURL(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	rttest.KeepsNoURL(t, b.Wrap)
	require.NotEmpty(t, b.Snapshot())
}
