package redislimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

func TestRefusesAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config   redislimit.Config
		deadline time.Duration // 0: none
		reason   redislimit.Reason
	}{
		"deadline too close": {redislimit.Config{}, 900 * ms, redislimit.DeadlineTooClose},
		"deadline just then": {redislimit.Config{}, time.Second, redislimit.DeadlineTooClose},
		"MaxWait":            {redislimit.Config{MaxWait: 999 * ms}, 0, redislimit.WaitTooLong},
		"never waits":        {redislimit.Config{MaxWait: -1}, time.Hour, redislimit.WaitTooLong},
		"both, deadline":     {redislimit.Config{MaxWait: 500 * ms}, 400 * ms, redislimit.DeadlineTooClose},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var refused []*redislimit.Error
				tt.config.Rate, tt.config.Burst = 1, 1
				tt.config.Hooks.Refused = func(e *redislimit.Error) { refused = append(refused, e) }
				f := newFake()
				l := newLimiter(t, f, tt.config)
				turns(t, l, "key", 1)
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				begin := time.Now()
				err := l.Wait(ctx, "key")
				require.Zero(t, time.Since(begin))
				var e *redislimit.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, &redislimit.Error{Key: "key", Reason: tt.reason, Wait: time.Second}, e)
				require.Equal(t, []*redislimit.Error{e}, refused)
				require.ErrorIs(t, err, redislimit.ErrLimited)
				require.Equal(t, tt.reason == redislimit.DeadlineTooClose, errors.Is(err, context.DeadlineExceeded))
				require.Equal(t, tt.reason == redislimit.DeadlineTooClose, e.Timeout())
				require.True(t, e.NotSent())
				require.True(t, e.Retryable())
				require.Equal(t, time.Second, e.RetryAfter())

				// That the slot is a second away is known now: nobody asks again.
				calls := f.count()
				require.Error(t, l.Wait(ctx, "key"))
				require.Equal(t, calls, f.count())

				// The refusals have cost nothing.
				time.Sleep(time.Second)
				require.Equal(t, []time.Duration{0}, turns(t, l, "key", 1))
			})
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*redislimit.Error{
		"redislimit: k: next turn in 1.5s, too late for the deadline": {Key: "k", Reason: redislimit.DeadlineTooClose, Wait: 1500*ms + 1},
		"redislimit: k: next turn in 1s, longer than may be waited":   {Key: "k", Reason: redislimit.WaitTooLong, Wait: time.Second},
		"redislimit: k: next turn in 1s, the queue is full":           {Key: "k", Reason: redislimit.QueueFull, Wait: time.Second},
		"redislimit: k: Redis is unavailable, next attempt in 1s":     {Key: "k", Reason: redislimit.Unavailable, Wait: time.Second},
		"redislimit: k: next turn in 0s, unknown":                     {Key: "k"},
	} {
		require.EqualError(t, e, want)
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 10, Burst: 8})
		turns(t, l, "key", 8)
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := t.Context(), func() {}
				if i == 3 || i == 11 {
					ctx, cancel = cancelAfter(t, 150*ms)
				}
				defer cancel()
				if l.Wait(ctx, "key") == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				}
			})
			time.Sleep(ms)
		}
		begin := time.Now()
		wg.Wait()
		require.Equal(t, []int{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19}, order)
		require.LessOrEqual(t, time.Since(begin), 1800*ms, "those who left have made no hole")
	})
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 1, Burst: 1, MaxQueue: 2})
		turns(t, l, "key", 1)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { require.NoError(t, l.Wait(t.Context(), "key")) })
		}
		synctest.Wait()
		require.Equal(t, 2, l.Snapshot().Buckets[0].Queued)
		var e *redislimit.Error
		require.ErrorAs(t, l.Wait(t.Context(), "key"), &e)
		require.Equal(t, redislimit.QueueFull, e.Reason)
		require.Positive(t, e.Wait)
		wg.Wait()
	})
}

// A deadline that seemed far enough away is not, once Redis has told what the
// other replicas have taken.
func TestRefusedByReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := redislimit.Config{Rate: 1, Burst: 1}
		a, b := newLimiter(t, f, c), newLimiter(t, f, c)
		turns(t, a, "key", 1)
		f.latency = 10 * ms
		var wg sync.WaitGroup
		begin := time.Now()
		for range 5 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
				defer cancel()
				require.ErrorIs(t, b.Wait(ctx, "key"), redislimit.ErrLimited)
				require.Less(t, time.Since(begin), 30*ms)
			})
		}
		wg.Wait()
	})
}

func TestNotSentGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 1, Burst: 1})
		notSent := &redislimit.Error{Key: "other"}
		rt := l.Wrap(rttest.NewScript(rttest.Step{Err: notSent}, rttest.Step{}))
		_, err := rt.RoundTrip(newRequest(t))
		require.ErrorIs(t, err, notSent)
		resp, err := rt.RoundTrip(newRequest(t))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())

		begin := time.Now()
		require.ErrorIs(t, l.Do(t.Context(), "https://api.example.com", func(context.Context) error { return notSent }), notSent)
		require.Equal(t, time.Second, time.Since(begin), "the same bucket as that of the requests")
		require.Panics(t, func() {
			_ = l.Do(t.Context(), "https://api.example.com", func(context.Context) error { panic("fn") })
		})
		require.Equal(t, time.Second, time.Since(begin), "it had a slot")
		require.NoError(t, l.Do(t.Context(), "https://api.example.com", func(context.Context) error { return nil }))
		require.Equal(t, 2*time.Second, time.Since(begin), "what panicked may have been sent")
		require.Equal(t, uint64(3), l.Snapshot().Buckets[0].Sent)
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errOpen := errors.New("open")
		asked, open := 0, 0
		f := newFake()
		l := newLimiter(t, f, redislimit.Config{Rate: 1, Burst: 1, Ready: func(*http.Request) error {
			if asked++; asked == open {
				return errOpen
			}
			return nil
		}})
		rt := l.Wrap(rttest.NewScript())
		send := func() error {
			resp, err := rt.RoundTrip(newRequest(t))
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
		open = 1
		require.ErrorIs(t, send(), errOpen)
		require.Zero(t, f.count(), "refused before it queued")
		open = 3
		require.ErrorIs(t, send(), errOpen)
		begin := time.Now()
		require.NoError(t, send())
		require.Zero(t, time.Since(begin), "refused when its turn came, it gave the slot back")
	})
}

// badBody panics when it is closed.
type badBody struct{ io.Reader }

func (badBody) Close() error { panic("body") }

// Whatever the body of a refused request does, its slot comes back.
func TestBodyThatPanicsGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		l := newLimiter(t, newFake(), redislimit.Config{Rate: 1, Burst: 1, Ready: func(*http.Request) error {
			if asked++; asked == 2 {
				return errors.New("open")
			}
			return nil
		}})
		req := newRequest(t)
		req.Body = badBody{strings.NewReader("body")}
		require.PanicsWithValue(t, "body", func() { _, _ = l.Wrap(rttest.NewScript()).RoundTrip(req) })
		begin := time.Now()
		require.NoError(t, l.Wait(t.Context(), "https://api.example.com"))
		require.Zero(t, time.Since(begin))
	})
}

func newRequest(t testing.TB) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/v1/things", nil)
	require.NoError(t, err)
	return req
}

func TestBucketDoesNotKeepTheURL(t *testing.T) {
	l := newLimiter(t, newFake(), redislimit.Config{Rate: 10})
	rttest.KeepsNoURL(t, l.Wrap)
	require.NotEmpty(t, l.Snapshot())
}
