package breaker_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// pending is a body like that of an HTTP/2 stream of net/http: its Close ends a
// Read with an error, and returns later than that.
type pending struct{ closed, failed chan struct{} }

func (p pending) Read([]byte) (int, error) {
	<-p.closed
	return 0, errBroken
}

func (p pending) Close() error {
	close(p.closed)
	<-p.failed
	return nil
}

// Who closes a stream while another goroutine reads it has had enough of it: the
// read fails, the upstream has not.
func TestCloseDuringReadIsNoFailure(t *testing.T) {
	t.Parallel()
	body := pending{closed: make(chan struct{}), failed: make(chan struct{})}
	b := newBreaker(t, one)
	resp, err := b.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body, Request: req}, nil
	})).RoundTrip(newRequest(t, host))
	require.NoError(t, err)
	go func() {
		defer close(body.failed)
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	require.NoError(t, resp.Body.Close())
	require.Equal(t, breaker.Counts{Successes: 1}, b.Snapshot()[0].Counts)
}
