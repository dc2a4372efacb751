package ratelimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// A request is under way until its answer has been read or closed.
func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		step rttest.Step
		end  func(*http.Response)
		want time.Duration // when the next one goes
	}{
		"closed":         {rttest.Step{Body: "answer"}, func(r *http.Response) { _ = r.Body.Close() }, time.Second},
		"read":           {rttest.Step{Body: "answer"}, func(r *http.Response) { _, _ = io.ReadAll(r.Body) }, time.Second},
		"cut":            {rttest.Step{Body: "answer", Cut: true}, func(r *http.Response) { _, _ = io.ReadAll(r.Body) }, time.Second},
		"without a body": {rttest.Step{}, func(*http.Response) {}, 0},
		"failed":         {rttest.Step{Err: broken}, func(*http.Response) {}, 0},
		"not sent":       {rttest.Step{Err: notSent(true)}, func(*http.Response) {}, 0},
		"forgotten":      {rttest.Step{Body: "answer"}, func(*http.Response) {}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{MaxInFlight: 1, Lease: 7 * time.Second})
				s := rttest.NewScript(tt.step, rttest.Step{})
				begin := time.Now()
				resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com"))
				require.Equal(t, tt.step.Err, err)
				time.AfterFunc(time.Second, func() { tt.end(resp) })
				send(t, l, s, "other.example.com", 1)
				require.Zero(t, time.Since(begin), "another key is free")
				send(t, l, s, "api.example.com", 1)
				require.Equal(t, tt.want, time.Since(begin))
				time.Sleep(10 * time.Second)
				if resp != nil {
					require.NoError(t, resp.Body.Close())
				}
				require.Zero(t, l.Snapshot()[0].InFlight, "ended once, and not once more")
			})
		})
	}
}

func TestPanicFreesTheSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{MaxInFlight: 1, Lease: -1})
		rt := l.Wrap(rttest.NewScript(rttest.Step{Panic: "transport"}, rttest.Step{}))
		require.Panics(t, func() { _, _ = rt.RoundTrip(newRequest(t, "api.example.com")) })
		resp, err := rt.RoundTrip(newRequest(t, "api.example.com"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Panics(t, func() { _ = l.Do(t.Context(), "key", func(context.Context) error { panic("work") }) })
		require.NoError(t, l.Do(t.Context(), "key", func(context.Context) error { return nil }))
	})
}

func TestNeverWaitsForASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{MaxInFlight: 1, MaxWait: -1})
		p, _ := acquire(t.Context(), t, l)
		_, err := l.Acquire(t.Context(), "key")
		require.ErrorIs(t, err, ratelimit.ErrLimited)
		p.Release(nil)
		p.Release(nil)
		_, _ = acquire(t.Context(), t, l)
		_, err = l.Acquire(t.Context(), "key")
		require.ErrorIs(t, err, ratelimit.ErrLimited, "the second release has freed nothing")
	})
}

// A deadline that passes while all slots are taken ends the wait just then.
func TestDeadlineWhileSlotsAreTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{MaxInFlight: 1, MaxWait: 2 * time.Second, Lease: -1})
		p, begin := acquire(t.Context(), t, l)
		_, err := l.Acquire(t.Context(), "key")
		var e *ratelimit.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, ratelimit.WaitTooLong, e.Reason)
		require.Positive(t, e.Wait)
		require.WithinDuration(t, begin.Add(2*time.Second), time.Now(), 1)
		p.Release(nil)
	})
}

// A bucket with calls under way is not forgotten for another key's sake.
func TestBucketWithCallsUnderWayIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{MaxInFlight: 1, MaxWait: -1, MaxKeys: 3, IdleTimeout: time.Second})
		_, _ = acquire(t.Context(), t, l)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			time.Sleep(10 * time.Second)
			require.NoError(t, l.Do(t.Context(), key, func(context.Context) error { return nil }))
		}
		_, err := l.Acquire(t.Context(), "key")
		require.ErrorIs(t, err, ratelimit.ErrLimited)
		require.LessOrEqual(t, len(l.Snapshot()), 3)
		time.Sleep(ratelimit.DefaultLease)
		_, _ = acquire(t.Context(), t, l)
	})
}

// farm is a server that works on so many calls at once and throttles others.
type farm struct {
	mu        sync.Mutex
	workers   int
	takes     time.Duration
	busy      int
	done      int
	throttled int
}

func (f *farm) work(context.Context) error {
	f.mu.Lock()
	if f.busy >= f.workers {
		f.throttled++
		f.mu.Unlock()
		time.Sleep(5 * ms)
		return throttledFor(1) // says nothing of use
	}
	f.busy++
	f.mu.Unlock()
	time.Sleep(f.takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	f.done++
	return nil
}

// crowdOf runs n workers that call do over and over for the given time.
func crowdOf(n int, lasting time.Duration, do func()) {
	var wg sync.WaitGroup
	begin := time.Now()
	for range n {
		wg.Go(func() {
			for time.Since(begin) < lasting {
				do()
			}
		})
	}
	wg.Wait()
}

// Adaptive concurrency finds the number of workers, follows it when it changes,
// and wastes little on the way.
func TestAdaptiveConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{AdaptiveConcurrency: true, MaxInFlight: 500})
		f := &farm{takes: 100 * ms}
		for _, workers := range []int{40, 8, 120} {
			f.workers = workers
			call := func() { _ = l.Do(t.Context(), "key", f.work) }
			crowdOf(200, 20*time.Second, call) // finds it
			f.done, f.throttled = 0, 0
			crowdOf(200, 20*time.Second, call)
			possible := float64(workers) * 200
			require.Greater(t, float64(f.done), 0.85*possible, "of %d workers", workers)
			require.Less(t, float64(f.throttled), 0.05*float64(f.done), "of %d workers", workers)
			require.InDelta(t, workers, l.Snapshot()[0].MaxInFlight, max(3, 0.25*float64(workers)))
			t.Logf("%d workers: %.0f%% of the possible, %d throttled", workers, 100*float64(f.done)/possible, f.throttled)
		}
	})
}

// Nothing changes for those who ask for little.
func TestAdaptiveConcurrencyStaysWithoutThrottles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{AdaptiveConcurrency: true})
		for range 1000 {
			require.NoError(t, l.Do(t.Context(), "key", func(context.Context) error { return nil }))
		}
		require.Equal(t, 20, l.Snapshot()[0].MaxInFlight)
		crowdOf(1000, 10*time.Second, func() {
			_ = l.Do(t.Context(), "key", func(context.Context) error { time.Sleep(100 * ms); return nil })
		})
		require.Equal(t, ratelimit.DefaultMaxInFlight, l.Snapshot()[0].MaxInFlight)
	})
}

// fixedWindow is a server that throttles what exceeds a rate.
type fixedWindow struct {
	mu        sync.Mutex
	rate      float64
	tokens    float64
	last      time.Time
	good      int
	throttled int
}

func (f *fixedWindow) work(context.Context) error {
	time.Sleep(20 * ms)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.tokens = min(f.rate/5, f.tokens+now.Sub(f.last).Seconds()*f.rate)
	f.last = now
	if f.tokens < 1 {
		f.throttled++
		return throttledFor(1) // says nothing of use
	}
	f.tokens--
	f.good++
	return nil
}

// Adaptive rate finds the rate of a server that tells nothing.
func TestAdaptiveRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{AdaptiveRate: true})
		f := &fixedWindow{rate: 50, last: time.Now()}
		call := func() { _ = l.Do(t.Context(), "key", f.work) }
		require.Zero(t, l.Snapshot(), "nothing is known")
		for _, rate := range []float64{50, 10, 200} {
			f.rate = rate
			crowdOf(50, 60*time.Second, call) // finds it
			f.good, f.throttled = 0, 0
			crowdOf(50, 60*time.Second, call)
			possible := rate * 60
			t.Logf("%v per second: %.0f%% of the possible, %d throttled", rate, 100*float64(f.good)/possible, f.throttled)
			require.Greater(t, float64(f.good), 0.7*possible, "at %v", rate)
			require.Less(t, float64(f.throttled), 0.05*float64(f.good), "at %v", rate)
		}
	})
}

// Without a throttle there is no limit, and with a Rate never a higher one.
func TestAdaptiveRateStaysWithinRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := newLimiter(t, ratelimit.Config{AdaptiveRate: true})
		begin := time.Now()
		for range 1000 {
			require.NoError(t, free.Do(t.Context(), "key", func(context.Context) error { return nil }))
		}
		require.Equal(t, begin, time.Now())

		l := newLimiter(t, ratelimit.Config{AdaptiveRate: true, Rate: 20, Burst: 4})
		require.Error(t, l.Do(t.Context(), "key", func(context.Context) error { return throttledFor(1) }))
		require.Equal(t, 1, l.Snapshot()[0].Burst)
		var done atomic.Int64
		begin = time.Now()
		crowdOf(10, time.Minute, func() {
			done.Add(1)
			_ = l.Do(t.Context(), "key", func(context.Context) error { return nil })
		})
		require.LessOrEqual(t, float64(done.Load()), 20*time.Since(begin).Seconds()+4)
		s := l.Snapshot()[0]
		require.Equal(t, []any{20.0, 4}, []any{s.Rate, s.Burst}, "back where it began")
	})
}

// The same, learnt from answers: a 429 and a Check count, a bare 503 does not.
func TestAdaptsToAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step rttest.Step
		want bool
	}{
		"429":                 {rttest.Step{Status: 429}, true},
		"503 that asks":       {rttest.Step{Status: 503, Header: []string{"Retry-After", "1"}}, true},
		"503":                 {rttest.Step{Status: 503}, false},
		"200":                 {rttest.Step{}, false},
		"200 throttled":       {rttest.Step{Header: []string{"X-Throttled", "1"}}, true},
		"a connection broken": {rttest.Step{Err: errors.New("broken")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, ratelimit.Config{
					AdaptiveRate: true, AdaptiveConcurrency: true,
					Check: checkSays(errors.New("throttled")),
				})
				resp, err := l.Wrap(rttest.NewScript(tt.step)).RoundTrip(newRequest(t, "api.example.com"))
				if err == nil {
					require.NoError(t, resp.Body.Close())
				}
				s := l.Snapshot()[0]
				require.Equal(t, tt.want, s.Rate > 0)
				require.Equal(t, tt.want, s.MaxInFlight < 20)
			})
		})
	}
}
