package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

func TestCancelledWaitGivesItsTurnBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1}), rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		begin := time.Now()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(300*ms, func() { cancel(gone) })
		_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
		require.Equal(t, gone, err)
		require.Equal(t, 300*ms, time.Since(begin))
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// notSent is what a circuit breaker below says.
type notSent bool

func TestTokenOfUnsentRequestComesBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want time.Duration
	}{
		"not sent":     {notSent(true), 0},
		"wrapped":      {&url.Error{Err: notSent(true)}, 0},
		"perhaps sent": {errors.New("broken"), time.Second},
		"sent":         {notSent(false), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{Rate: 1})
				rt := l.Wrap(rttest.NewScript(rttest.Step{Err: tt.err}))
				begin := time.Now()
				for range 2 {
					_, err := rt.RoundTrip(newRequest(t, "api.example.com"))
					require.Equal(t, tt.err, err)
				}
				require.Equal(t, tt.want, time.Since(begin))
			})
		})
	}
}

// Tokens that come back never add up to more than a burst.
func TestGivenBackTokensStayWithinBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 1, Burst: 2})
		refusing := l.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour, Err: notSent(true)}))
		_, err := refusing.RoundTrip(newRequest(t, "api.example.com"))
		require.Error(t, err)
		require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second}, send(t, l, rttest.NewScript(), "api.example.com", 4))
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := errors.New("open")
		answers := []error{nil, nil, open, open, nil}
		asked := 0
		l := newLimiter(t, ratelimit.Config{Rate: 1, Ready: func(req *http.Request) error {
			require.Equal(t, "api.example.com", req.URL.Host)
			asked++
			return answers[asked-1]
		}})
		s := rttest.NewScript()
		begin := time.Now()
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, 1, asked, "once when there was no wait")

		body := rttest.NewBody("payload")
		req := newRequest(t, "api.example.com")
		req.Body = body
		_, err := l.Wrap(s).RoundTrip(req)
		require.Equal(t, open, err, "refused at the head of the queue, as it is")
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, 3, asked, "before and after the wait")
		require.Equal(t, 1, body.Closes())

		_, err = l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
		require.Equal(t, open, err)
		require.Equal(t, time.Second, time.Since(begin), "refused before the wait")

		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin), "neither refusal has cost a token")
	})
}

// Whoever goes away leaves no hole.
func TestCancelledWaitersLeaveNoHole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, s := newLimiter(t, ratelimit.Config{Rate: 1}), rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(500 * ms)
		cancel()
		wg.Wait()
		send(t, l, s, "api.example.com", 1)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

func TestPanickingHookCostsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calm := false
		l := newLimiter(t, ratelimit.Config{Rate: 1, Hooks: ratelimit.Hooks{Wait: func(ratelimit.Wait) {
			if !calm {
				panic("hook")
			}
		}}})
		s := rttest.NewScript()
		send(t, l, s, "api.example.com", 1)
		for range 10 {
			require.Panics(t, func() { _, _ = l.Wrap(s).RoundTrip(newRequest(t, "api.example.com")) })
		}
		calm = true
		require.Equal(t, []time.Duration{0}, send(t, l, s, "api.example.com", 1))
		require.Equal(t, []time.Duration{0, time.Second}, sent(s.Calls()))
	})
}
