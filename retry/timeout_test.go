package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestAttemptTimeoutContract(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]time.Duration{"a second": time.Second, "an hour": time.Hour, "off": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return retry.AttemptTimeout(d) },
			})
		})
	}
}

func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Wait: time.Minute}, rttest.Step{Wait: time.Minute}, rttest.Step{Wait: time.Second, Body: "answer"})
		rt := newPolicy(t, retry.Config{Backoff: retry.Constant(time.Second)}).Wrap(retry.AttemptTimeout(5 * time.Second)(s))
		begin := time.Now()
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, 13*time.Second, time.Since(begin), "twice five seconds, two waits, and the answer")
		time.Sleep(time.Hour)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err, "the winner's body is never cut")
		require.Equal(t, "answer", string(data))
		require.NoError(t, resp.Body.Close())
	})
}

// What was never sent is not known to have been sent only because it took long.
func TestAttemptTimeoutPassesNotSentOn(t *testing.T) {
	t.Parallel()
	type notSent interface{ NotSent() bool }
	for name, tt := range map[string]struct {
		takes time.Duration
		err   error
		want  bool
		blame bool // of the server, by a breaker above
	}{
		"not sent":         {time.Minute, behaving{notSent: true}, true, false},
		"wrapped":          {time.Minute, fmt.Errorf("token: %w", behaving{notSent: true}), true, false},
		"not refused":      {time.Minute, unconnected{behaving{notSent: true}}, true, true},
		"sent":             {time.Minute, behaving{}, false, true},
		"not known":        {time.Minute, errors.New("broken"), false, true},
		"early, not sent":  {time.Millisecond, behaving{notSent: true}, true, false},
		"early, not known": {time.Millisecond, errors.New("broken"), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := retry.AttemptTimeout(time.Second)(rttest.Func(func(req *http.Request) (*http.Response, error) {
					select {
					case <-req.Context().Done():
					case <-time.After(tt.takes):
					}
					return nil, tt.err
				}))
				_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
				var e *retry.TimeoutError
				if tt.takes > time.Second {
					require.ErrorAs(t, err, &e)
					require.EqualError(t, err, "retry: no answer to this attempt within 1s")
				} else {
					require.Equal(t, tt.err, err)
				}
				var says notSent
				require.Equal(t, tt.want, errors.As(err, &says) && says.NotSent())
				require.Equal(t, tt.blame, !httpx.SaysRefused(err))
			})
		})
	}
}

// unconnected is the error of attempts that could not connect.
type unconnected struct{ behaving }

func (unconnected) Refused() bool { return false }

func TestAttemptTimeoutIsNotTheCallers(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"attempt's": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, &retry.TimeoutError{Limit: 5 * time.Second}},
		"caller's deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
		"caller's cancellation": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(gone) })
			return ctx, func() { cancel(nil) }
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				rt := retry.AttemptTimeout(5 * time.Second)(rttest.NewScript(rttest.Step{Wait: time.Hour}))
				_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
				require.Equal(t, tt.want, err)
				if timeout, ok := errors.AsType[*retry.TimeoutError](err); ok {
					require.True(t, timeout.Timeout())
					require.NotErrorIs(t, err, context.DeadlineExceeded)
					require.EqualError(t, err, "retry: no answer to this attempt within 5s")
				}
			})
		})
	}
}

// An answer that comes in the moment of the timeout has a body that is dead: it
// must not be handed out as good.
func TestAttemptTimeoutInTheSameMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Body: "answer"})
		late := rttest.Func(func(req *http.Request) (*http.Response, error) {
			resp, err := s.RoundTrip(req)
			<-req.Context().Done()
			return resp, err
		})
		_, err := retry.AttemptTimeout(time.Second)(late).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.Equal(t, &retry.TimeoutError{Limit: time.Second}, err)
		require.Positive(t, s.Bodies()[0].Closes())
	})
}

func TestAttemptTimeoutOffIsNothing(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	require.Same(t, s, retry.AttemptTimeout(0)(s))
	require.Same(t, http.DefaultTransport, retry.AttemptTimeout(-1)(nil))
}

// answersInTime answers after as many nanoseconds as the request's ContentLength.
var answersInTime rttest.Func = func(req *http.Request) (*http.Response, error) {
	answer := time.NewTimer(time.Duration(req.ContentLength))
	defer answer.Stop()
	select {
	case <-answer.C:
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
}

// One timer serves all attempts. Each must still end at its own time, whatever
// the others do.
func TestAttemptTimeoutOfManyAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Second
		rt := retry.AttemptTimeout(limit)(answersInTime)
		random := rand.New(rand.NewPCG(1, 2))
		var wg sync.WaitGroup
		for range 2000 {
			begin, takes := time.Duration(random.Int64N(int64(5*time.Second))), time.Duration(random.Int64N(int64(2*limit)))+1
			if takes == limit {
				takes++ // who wins a dead heat is not for this test
			}
			wg.Go(func() {
				time.Sleep(begin)
				req := newRequest(t, http.MethodGet, nil)
				req.ContentLength = int64(takes)
				sent := time.Now()
				_, err := rt.RoundTrip(req)
				if takes < limit {
					assert.NoError(t, err)
				} else {
					assert.Equal(t, &retry.TimeoutError{Limit: limit}, err)
				}
				assert.Equal(t, min(takes, limit), time.Since(sent))
			})
		}
		wg.Wait()
	})
}

// A timer that rings while its attempt ends takes nothing from the attempts
// that follow: not the time that they have, and not its end.
func TestAttemptTimeoutAfterDeadHeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Second
		rt := retry.AttemptTimeout(limit)(answersInTime)
		try := func(takes time.Duration) (time.Duration, error) {
			req := newRequest(t, http.MethodGet, nil)
			req.ContentLength = int64(takes)
			begin := time.Now()
			_, err := rt.RoundTrip(req)
			return time.Since(begin), err
		}
		for i := range 200 {
			var wg sync.WaitGroup
			for range 1 + i%3 {
				wg.Go(func() {
					took, _ := try(limit) // who wins is not for this test
					assert.Equal(t, limit, took)
					took, err := try(limit - 1)
					assert.NoError(t, err)
					assert.Equal(t, limit-1, took)
				})
			}
			wg.Wait()
			took, err := try(time.Hour)
			require.Equal(t, &retry.TimeoutError{Limit: limit}, err)
			require.Equal(t, limit, took)
		}
	})
}

// The same middleware serves one program after another, and each has its own
// clock in a bubble of testing/synctest.
func TestAttemptTimeoutAcrossBubbles(t *testing.T) {
	t.Parallel()
	timeout := retry.AttemptTimeout(time.Second)
	s := rttest.NewScript(rttest.Step{Wait: time.Hour})
	rt := timeout(s)
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
			require.Equal(t, &retry.TimeoutError{Limit: time.Second}, err)
			require.Equal(t, time.Second, time.Since(begin))
		})
	}
}

// Layers below see why the attempt ends.
func TestAttemptTimeoutIsTheCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		rt := retry.AttemptTimeout(time.Second)(rttest.Func(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			cause = context.Cause(req.Context())
			return nil, errors.New("something else")
		}))
		_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
		require.Equal(t, &retry.TimeoutError{Limit: time.Second}, err)
		require.Same(t, err, cause)
	})
}

func TestAttemptTimeoutAllocates(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	rt := retry.AttemptTimeout(time.Minute)(rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil }))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := newRequest(t, http.MethodGet, nil).WithContext(ctx)
	allocs := testing.AllocsPerRun(1000, func() { _, _ = rt.RoundTrip(req) })
	require.LessOrEqual(t, allocs, 4.0, "what context.WithTimeout alone takes")
}
