package breaker_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

var errBroken = errors.New("connection broken")

func newRequest(t testing.TB, host string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v1/things", nil)
	require.NoError(t, err)
	return req
}

// call sends one request, reads the answer and returns what went wrong.
func call(rt http.RoundTripper, req *http.Request) error {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	return readAll(resp)
}

func readAll(resp *http.Response) error {
	_, err := io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// trip fails calls until the circuit of host opens.
func trip(t *testing.T, b *breaker.Breaker, host string) {
	t.Helper()
	rt := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
	for range 1000 {
		if errors.Is(call(rt, newRequest(t, host)), breaker.ErrOpen) {
			return
		}
	}
	t.Fatal("the circuit did not open")
}

// one opens after one failure, for a second.
var one = breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Second, MaxOpenTimeout: time.Second, Jitter: -1}

const host = "api.example.com"

func TestOpenRefusesUntilItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: 5 * time.Second, Jitter: -1})
		s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{Body: "back"})
		rt := b.Wrap(s)
		require.ErrorIs(t, call(rt, newRequest(t, host)), errBroken)
		time.Sleep(2 * time.Second)

		body := rttest.NewBody("payload")
		req := newRequest(t, host)
		req.Body = body
		err := call(rt, req)
		var e *breaker.OpenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "https://api.example.com", e.Key)
		require.Equal(t, breaker.Open, e.State)
		require.Equal(t, 3*time.Second+1, e.RetryAfter())
		require.True(t, e.NotSent())
		require.True(t, e.Retryable())
		require.EqualError(t, err, "breaker: circuit of https://api.example.com is open, next probe in 3s")
		require.Equal(t, 1, body.Closes())
		require.Zero(t, body.BytesRead())
		require.Len(t, s.Calls(), 1, "nothing was sent")
		require.Equal(t, e, b.Ready(newRequest(t, host)))
		require.NoError(t, b.Ready(newRequest(t, "other.example.com")))

		time.Sleep(e.RetryAfter())
		require.NoError(t, b.Ready(newRequest(t, host)))
		require.NoError(t, call(rt, newRequest(t, host)), "who waits as long as he was told gets through")
		require.NoError(t, call(rt, newRequest(t, host)), "and the circuit is closed")
	})
}

func TestOpenShowsThroughClient(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	trip(t, b, host)
	client := &http.Client{Transport: b.Wrap(rttest.NewScript())}
	resp, err := client.Do(newRequest(t, host))
	if err == nil {
		_ = resp.Body.Close()
	}
	var e *url.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, breaker.ErrOpen)
}
