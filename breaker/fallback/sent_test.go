package fallback_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// An order whose first attempt may have arrived was sent, though its second one
// was refused below. Nobody else must get it.
func TestRetriedCallWasSent(t *testing.T) {
	t.Parallel()
	dial := rttest.Step{Err: &net.OpError{Op: "dial", Err: errBroken}, Unread: true}
	refused := rttest.Step{Err: notSent{}, Unread: true}
	for name, tt := range map[string]struct {
		steps   []rttest.Step
		breaker breaker.Config
		notSent bool
	}{
		"opened the circuit": {[]rttest.Step{{Err: errBroken}}, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Hour}, false},
		"answered at first":  {[]rttest.Step{{Status: 503}, dial}, breaker.Config{}, false},
		"sent, not dialled":  {[]rttest.Step{{Err: errBroken}, dial}, breaker.Config{}, false},
		"not dialled, sent":  {[]rttest.Step{dial, {Err: errBroken}}, breaker.Config{}, false},
		"never dialled":      {[]rttest.Step{dial}, breaker.Config{}, true},
		"always refused":     {[]rttest.Step{refused}, breaker.Config{}, true},
		"neither":            {[]rttest.Step{refused, dial}, breaker.Config{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				circuits, err := breaker.New(tt.breaker)
				require.NoError(t, err)
				retries, err := retry.New(retry.Config{})
				require.NoError(t, err)
				var got fallback.Failure
				mirror := rttest.NewScript()
				f := newFallback(t, fallback.Config{
					Answers: []fallback.Answer{fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror})},
					Hooks: fallback.Hooks{
						Served: func(e fallback.Event) { got = e.Failure },
						Failed: func(e fallback.Event) { got = e.Failure },
					},
				})
				rt := f.Wrap(retries.Wrap(circuits.Wrap(rttest.NewScript(tt.steps...))))
				req := newRequest(t, http.MethodPost, thingsURL, "order")
				req = req.WithContext(retry.Idempotent(t.Context()))
				_, err = rt.RoundTrip(req)
				require.Equal(t, tt.notSent, err == nil)
				require.Equal(t, tt.notSent, got.NotSent)
				require.Equal(t, tt.notSent, len(mirror.Calls()) > 0)
			})
		})
	}
}

// wasSent is the error of a layer that has sent the request before it failed to
// dial.
type wasSent struct{ error }

func (wasSent) NotSent() bool   { return false }
func (e wasSent) Unwrap() error { return e.error }

// The same with two copies at once: that the second was refused, and was the
// first to come back, says nothing about the first.
func TestHedgedCallWasSent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first   error
		notSent bool
	}{
		"sent":        {errBroken, false},
		"sent before": {wasSent{&net.OpError{Op: "dial", Err: errBroken}}, false},
		"not dialled": {&net.OpError{Op: "dial", Err: errBroken}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hedge, err := retry.NewHedge(retry.HedgeConfig{Delay: time.Second})
				require.NoError(t, err)
				var got fallback.Failure
				f := newFallback(t, fallback.Config{
					Answers: []fallback.Answer{static("degraded")},
					Hooks:   fallback.Hooks{Served: func(e fallback.Event) { got = e.Failure }},
				})
				rt := f.Wrap(hedge.Wrap(rttest.NewScript(rttest.Step{Wait: time.Minute, Err: tt.first}, rttest.Step{Err: notSent{}})))
				send(t, rt, get(t))
				require.Equal(t, tt.notSent, got.NotSent)
			})
		})
	}
}

// net/http may have sent a request with a key on a connection that died, before
// it failed to dial. Without a key it does not.
func TestFailureToDialWithAKey(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"Idempotency-Key": false, "X-Other": true} {
		var got fallback.Failure
		f := newFallback(t, fallback.Config{
			Answers: []fallback.Answer{static("degraded")},
			Hooks: fallback.Hooks{
				Served: func(e fallback.Event) { got = e.Failure },
				Failed: func(e fallback.Event) { got = e.Failure },
			},
		})
		req := newRequest(t, http.MethodPost, thingsURL, "order")
		req.Header.Set(name, "k")
		_, _ = f.Wrap(rttest.NewScript(rttest.Step{Err: &net.OpError{Op: "dial", Err: errBroken}})).RoundTrip(req)
		require.Equal(t, want, got.NotSent, name)
	}
}

// An order that another upstream may have carried out must not get to a third,
// or be taken for one that nobody has seen.
func TestOrderIsSentOnOnce(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errBroken}
	for name, tt := range map[string]struct {
		second  rttest.Step
		notSent bool
	}{
		"broken off":  {rttest.Step{Err: errBroken}, false},
		"answered":    {rttest.Step{Status: 503, Body: "sorry"}, false},
		"not dialled": {rttest.Step{Err: dial, Unread: true}, true},
		"refused":     {rttest.Step{Err: notSent{}, Unread: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			third := rttest.NewScript(rttest.Step{Err: dial, Unread: true})
			var got *fallback.Failure
			f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
				fallback.To(mirrorURL, fallback.ToConfig{Transport: rttest.NewScript(tt.second)}),
				fallback.To("https://third.example.com", fallback.ToConfig{Transport: third}),
				fallback.Func(func(_ context.Context, _ *http.Request, failure fallback.Failure) (*http.Response, error) {
					got = &failure
					return nil, nil
				}),
			}})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, thingsURL, strings.NewReader("order"))
			require.NoError(t, err)
			_, err = f.Wrap(rttest.NewScript(rttest.Step{Err: dial, Unread: true})).RoundTrip(req)
			require.ErrorIs(t, err, dial)
			require.EqualError(t, err, dial.Error())
			require.Equal(t, tt.notSent, httpx.NotSent(req, err), "layers above go by it")
			if tt.notSent {
				require.Equal(t, error(dial), err)
			}
			require.Equal(t, tt.notSent, len(third.Calls()) > 0)
			require.Equal(t, tt.notSent, got.NotSent)
		})
	}
}

// Nor do those above take it for unsent: a retry, or the To of another Fallback
// that has this one below it.
func TestOrderThatWasSentOnIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, notDialled := range map[string]error{
		"dial":    &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded},
		"refused": notSent{},
	} {
		for method, again := range map[string]bool{http.MethodPost: false, http.MethodPut: true} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				down := rttest.NewScript(rttest.Step{Err: notDialled, Unread: true})
				mirror, third := rttest.NewScript(rttest.Step{Err: errBroken}), rttest.NewScript()
				inner := newFallback(t, fallback.Config{Answers: []fallback.Answer{
					fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror}),
				}}).Wrap(down)
				retries, err := retry.New(retry.Config{MaxAttempts: 2, Backoff: retry.Constant(time.Nanosecond)})
				require.NoError(t, err)
				outer := newFallback(t, fallback.Config{Answers: []fallback.Answer{
					fallback.To("https://second.example.com", fallback.ToConfig{Transport: retries.Wrap(inner)}),
					fallback.To("https://third.example.com", fallback.ToConfig{Transport: third}),
				}})
				_, err = outer.Wrap(down).RoundTrip(newRequest(t, method, thingsURL, "order"))
				if again {
					require.NoError(t, err)
					require.Len(t, mirror.Calls(), 2)
					require.Len(t, third.Calls(), 1)
					return
				}
				require.ErrorIs(t, err, notDialled)
				require.Equal(t, name == "dial", (&url.Error{Err: err}).Timeout(), "as it would be unchanged")
				require.Len(t, mirror.Calls(), 1)
				require.Empty(t, third.Calls())
			})
		}
	}
}
