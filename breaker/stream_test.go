package breaker_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// An upstream that does nothing but stream for longer than a lease gets its
// calls back all the same.
func TestStreamsCloseTheCircuit(t *testing.T) {
	t.Parallel()
	stream := rttest.Step{Body: "tick", Endless: true, Drip: time.Second}
	upgraded := stream
	upgraded.Status = http.StatusSwitchingProtocols
	for name, tt := range map[string]struct {
		step   rttest.Step
		slow   time.Duration
		probes int
		after  time.Duration // of the outage
		state  breaker.State
	}{
		"events":                {stream, 0, 1, breaker.DefaultProbeLease, breaker.Closed},
		"three probes":          {stream, 0, 3, breaker.DefaultProbeLease, breaker.Closed},
		"not slow by then":      {stream, breaker.DefaultProbeLease + 1, 1, breaker.DefaultProbeLease, breaker.Closed},
		"slow":                  {stream, breaker.DefaultProbeLease, 1, breaker.DefaultProbeLease, breaker.Open},
		"websockets":            {upgraded, 0, 1, 0, breaker.Closed},
		"websockets, slow rule": {upgraded, time.Second, 1, 0, breaker.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.SlowCall, c.Probes = tt.slow, tt.probes
				b := newBreaker(t, c)
				trip(t, b, host)
				time.Sleep(time.Second + 1)
				rt := b.Wrap(rttest.NewScript(tt.step))
				ctx, hangUp := context.WithCancel(t.Context())
				for range tt.probes {
					go func() { _ = call(rt, newRequest(t, host).WithContext(ctx)) }()
				}
				synctest.Wait()
				time.Sleep(tt.after)
				synctest.Wait()
				require.Equal(t, tt.state, b.Snapshot()[0].State)
				hangUp()
				synctest.Wait()
				require.Equal(t, tt.state, b.Snapshot()[0].State)
			})
		})
	}
}

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
