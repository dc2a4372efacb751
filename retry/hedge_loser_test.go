package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// The context of a loser ends with the race, that of the winner with its body.
func TestHedgeContexts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *http.Response){
		"read to the end": func(t *testing.T, resp *http.Response) {
			_, err := io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
		},
		"closed": func(t *testing.T, resp *http.Response) { require.NoError(t, resp.Body.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(rttest.Step{Wait: time.Hour}, rttest.Step{Body: "answer"})
				resp, err := newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(s).RoundTrip(newRequest(t, "GET", nil))
				require.NoError(t, err)
				loser, winner := s.Calls()[0].Request.Context(), s.Calls()[1].Request.Context()
				require.ErrorIs(t, loser.Err(), context.Canceled)
				time.Sleep(time.Hour)
				require.NoError(t, winner.Err())
				end(t, resp)
				require.ErrorIs(t, winner.Err(), context.Canceled)
			})
		})
	}
}

// Losers that have answered are drained beside the call, and the connection is
// given back; losers that answer when all is over are closed.
func TestHedgeLosersAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(
			rttest.Step{Wait: 3 * time.Second, Body: "deaf"},
			rttest.Step{Status: 503, Body: "failed", Drip: 20 * ms},
			rttest.Step{Body: "good"},
		)
		deaf := rttest.Func(func(req *http.Request) (*http.Response, error) {
			return s.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
		})
		begin := time.Now()
		resp, err := newHedge(t, retry.HedgeConfig{Delay: time.Second, MaxExtra: 2}).Wrap(deaf).RoundTrip(newRequest(t, "GET", nil))
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(begin), "the winner does not wait for the draining")
		require.Equal(t, "good", readAll(t, resp))
		time.Sleep(100 * ms)
		require.True(t, s.Bodies()[0].SawEnd())
		require.Positive(t, s.Bodies()[0].Closes())
		require.Len(t, s.Bodies(), 2)
		time.Sleep(time.Second)
		require.Len(t, s.Bodies(), 3)
		require.Positive(t, s.Bodies()[2].Closes())
	})
}

// The caller may change the request when the call is over, though a loser that
// is slow to end may still be reading it. The race detector watches.
func TestHedgeRequestIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		s := rttest.NewScript()
		rt := newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				<-req.Context().Done()
				time.Sleep(time.Second)
				require.Equal(t, "old", req.Header.Get("X"))
				require.Equal(t, "/v1/things", req.URL.Path)
			}
			return s.RoundTrip(req)
		}))
		req := newRequest(t, "GET", nil)
		req.Header.Set("X", "old")
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		req.Header.Set("X", "new")
		req.URL.Path = "/v2"
		time.Sleep(time.Minute)
		require.Len(t, s.Calls(), 2)
	})
}

func TestHedgeBodies(t *testing.T) {
	t.Parallel()
	errNoBody := errors.New("no body")
	for name, tt := range map[string]struct {
		err   error
		calls int
	}{"GetBody works": {nil, 3}, "GetBody fails": {errNoBody, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(rttest.Step{Wait: time.Hour, Body: "slow"})
				bodies := []*rttest.Body{rttest.NewBody("payload")}
				req := newRequest(t, "PUT", bodies[0])
				req.ContentLength = 7
				req.GetBody = func() (io.ReadCloser, error) {
					if tt.err != nil {
						return nil, tt.err
					}
					bodies = append(bodies, rttest.NewBody("payload"))
					return bodies[len(bodies)-1], nil
				}
				resp, err := newHedge(t, retry.HedgeConfig{Delay: time.Second, MaxExtra: 2}).Wrap(s).RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, "slow", readAll(t, resp))
				synctest.Wait()
				require.Len(t, s.Calls(), tt.calls)
				require.Len(t, bodies, tt.calls)
				for i, c := range s.Calls() {
					require.Equal(t, "payload", c.Body)
					require.Equal(t, 1, bodies[i].Closes())
				}
			})
		})
	}
}

// fate tells whether a RoundTrip returned, panicked or exited its goroutine.
func fate(rt http.RoundTripper, req *http.Request) (resp *http.Response, panicked any, exited bool) {
	exited = true
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if panicked = recover(); panicked != nil {
				exited = false
			}
		}()
		resp, _ = rt.RoundTrip(req)
		exited = false
	})
	wg.Wait()
	return resp, panicked, exited
}

func TestHedgePanics(t *testing.T) {
	t.Parallel()
	type steps = []rttest.Step
	for name, tt := range map[string]struct {
		steps steps
		want  any
	}{
		"first":                  {steps{{Panic: "p"}}, "p"},
		"first, late":            {steps{{Wait: 1500 * ms, Panic: "p"}, {Wait: time.Hour}}, "p"},
		"second":                 {steps{{Wait: time.Hour}, {Panic: "p"}}, "p"},
		"beside a kept response": {steps{{Wait: 1500 * ms, Status: 503, Body: "kept"}, {Wait: time.Second, Panic: "p"}}, "p"},
		"of a loser":             {steps{{Wait: time.Hour, Panic: "p"}, {Body: "good"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.steps...)
				resp, panicked, exited := fate(newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(s), newRequest(t, "GET", nil))
				require.False(t, exited)
				require.Equal(t, tt.want, panicked)
				if tt.want == nil {
					require.Equal(t, "good", readAll(t, resp))
				}
				synctest.Wait()
				for _, c := range s.Calls() {
					require.Error(t, c.Request.Context().Err())
				}
				for _, b := range s.Bodies() {
					require.Positive(t, b.Closes())
				}
			})
		})
	}
}

// A transport that ends its goroutine, as a failed test does, ends the caller's.
func TestHedgeGoexit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
			runtime.Goexit()
			return nil, nil
		}))
		_, panicked, exited := fate(rt, newRequest(t, "GET", nil))
		require.Nil(t, panicked)
		require.True(t, exited)
	})
}

// brokenBody panics when it is read.
type brokenBody struct{ *rttest.Body }

func (brokenBody) Read([]byte) (int, error) { panic("body") }

// Nobody could recover from a panic on a goroutine that drains.
func TestHedgeLosersBodyPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := brokenBody{rttest.NewBody("")}
		var calls atomic.Int64
		rt := newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				time.Sleep(1500 * ms)
				return &http.Response{StatusCode: http.StatusServiceUnavailable, ContentLength: -1, Body: body}, nil
			}
			time.Sleep(time.Second)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		resp, panicked, _ := fate(rt, newRequest(t, "GET", nil))
		require.Nil(t, panicked)
		require.Equal(t, 200, resp.StatusCode)
		synctest.Wait()
		require.Positive(t, body.Closes())
	})
}

func TestHedgeCallbackPanics(t *testing.T) {
	t.Parallel()
	boom := func(retry.HedgeEvent) { panic("callback") }
	for name, c := range map[string]retry.HedgeConfig{
		"Hedge": {Hooks: retry.HedgeHooks{Hedge: boom}},
		"Won":   {Hooks: retry.HedgeHooks{Won: boom}},
		"Check": {Check: func(*http.Response) error { panic("callback") }},
		"Key":   {Percentile: 0.5, Key: func(*http.Request) string { panic("callback") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.Delay, c.MaxExtra = time.Second, 2
				s := rttest.NewScript(rttest.Step{Wait: time.Hour}, rttest.Step{Status: 503, Body: "kept"}, rttest.Step{Body: "good"})
				_, panicked, _ := fate(newHedge(t, c).Wrap(s), newRequest(t, "GET", nil))
				require.Equal(t, "callback", panicked)
				synctest.Wait()
				for _, c := range s.Calls() {
					require.Error(t, c.Request.Context().Err())
				}
				for _, b := range s.Bodies() {
					require.Positive(t, b.Closes())
				}
			})
		})
	}
}

// A transport that answers nothing at all is the caller's to judge.
func TestHedgeNilAnswer(t *testing.T) {
	t.Parallel()
	rt := newHedge(t, retry.HedgeConfig{Delay: time.Hour, Check: func(*http.Response) error { return nil }}).
		Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return nil, nil }))
	resp, err := rt.RoundTrip(newRequest(t, "GET", nil))
	require.NoError(t, err)
	require.Nil(t, resp)
}
