package sender_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// One endpoint of a thousand hangs, with a backlog. The others get theirs at
// once.
func TestOneHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		delivered := make(map[string]time.Duration)
		start := time.Now()
		c := steady(byHost(rttest.NewScript(), map[string]http.RoundTripper{"e0": hang}))
		c.Workers = 16
		c.Hooks.Delivered = func(a sender.Attempt) {
			mu.Lock()
			defer mu.Unlock()
			delivered[a.Message.Endpoint] = time.Since(start)
		}
		s := newSender(t, c)
		for range 500 {
			enqueue(t, s, sender.Message{Endpoint: "e0"})
		}
		for i := range 1000 {
			enqueue(t, s, sender.Message{Endpoint: fmt.Sprint("e", i)})
		}
		stop := run(t, s)
		synctest.Wait()
		mu.Lock()
		require.Len(t, delivered, 999)
		for _, after := range delivered {
			require.Zero(t, after, "no time has passed")
		}
		mu.Unlock()
		require.EqualValues(t, sender.DefaultPerEndpoint, stats(t, s).Leased)

		// Nor those of later, as long as it hangs.
		time.Sleep(time.Second)
		enqueue(t, s, sender.Message{Endpoint: "e1"})
		synctest.Wait()
		mu.Lock()
		require.Equal(t, time.Second, delivered["e1"])
		mu.Unlock()
		stop()
	})
}

// Two programs that share a store keep to PerEndpoint together, and deliver
// each message once.
func TestShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, total atomic.Int64
		c := steady(rttest.Func(func(req *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			total.Add(1)
			return rttest.NewScript().RoundTrip(req)
		}))
		c.PerEndpoint = 3
		one, other := newSender(t, c), newSender(t, c)
		for range 30 {
			enqueue(t, one, sender.Message{Endpoint: "a"})
		}
		stopOne, stopOther := run(t, one), run(t, other)
		time.Sleep(time.Minute)
		stopOne()
		stopOther()
		require.EqualValues(t, 30, total.Load())
		require.EqualValues(t, 3, most.Load())
	})
}

// A program dies with its attempts under way. Another one on the same store
// delivers all of them, under the same IDs.
func TestCrashLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: sender.NewMemory(1000)}
		sent := rttest.NewScript()
		c := steady(sent)
		c.Store = store
		dying := newSender(t, c)
		ids := make(map[string]int)
		for range 50 {
			ids[enqueue(t, dying, sender.Message{Endpoint: "a"})[0]] = 0
		}
		store.set(func() { store.drop = true })
		stop := run(t, dying)
		synctest.Wait()
		stop() // nothing that it has done was recorded
		require.Len(t, sent.Calls(), 2)
		require.EqualValues(t, 2, stats(t, dying).Sent.Lost)

		store.set(func() { store.drop = false })
		stop = run(t, newSender(t, c))
		time.Sleep(5 * time.Minute)
		stop()
		for _, call := range sent.Calls() {
			ids[call.Header.Get("Webhook-Id")]++
		}
		require.Len(t, ids, 50)
		twice := 0
		for _, n := range ids {
			require.Positive(t, n)
			twice += n - 1
		}
		require.Equal(t, 2, twice, "at least once: what had been sent was sent again")
		require.EqualValues(t, 50, stats(t, dying).Done)
	})
}

// Between two attempts nothing is in the program, so its end loses nothing.
func TestStopBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript(rttest.Step{Status: 500}, rttest.Step{Status: 500}, rttest.Step{})
		c := steady(script)
		enqueue(t, newSender(t, c), sender.Message{Endpoint: "a", ID: "evt_1"})
		for range 3 {
			stop := run(t, newSender(t, c))
			synctest.Wait()
			stop()
			time.Sleep(2 * time.Minute)
		}
		require.Len(t, script.Calls(), 3)
		require.Equal(t, sender.Done, one(t, newSender(t, c)).State)
		require.Equal(t, 3, one(t, newSender(t, c)).Attempt)
	})
}

// A worker that comes back after its lease was over changes nothing.
func TestStaleWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notes tape
		script := rttest.NewScript()
		c := steady(script)
		stuck := c
		stuck.Hooks, stuck.Workers = notes.hooks(), 1
		stuck.DangerouslyTransport = rttest.Func(func(*http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Minute) // whatever the context says
			return nil, errBroken
		})
		slow, s := newSender(t, stuck), newSender(t, c)
		enqueue(t, slow, sender.Message{Endpoint: "a"})
		stopSlow := run(t, slow)
		synctest.Wait()
		stop := run(t, s)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, sender.Done, one(t, s).State)
		stopSlow()
		stop()
		require.Equal(t, []string{"lost 1"}, notes.all())
		require.ErrorIs(t, notes.attempts[0].Err, sender.ErrStale)
		require.Zero(t, health(t, s, "a").Failures)
	})
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notes tape
		store := &faulty{Store: sender.NewMemory(10), claim: errBroken, fail: 2}
		c := steady(rttest.NewScript())
		c.Store, c.Hooks = store, notes.hooks()
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(2500 * time.Millisecond)
		store.set(func() { store.claim = nil })
		time.Sleep(5 * time.Second)
		stop()
		require.Equal(t, []string{
			"store failed: claim", "store failed: claim", "store failed: claim",
			"store failed: finish", "store failed: finish", "delivered 1",
		}, notes.all())
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		drain, takes, until time.Duration
		state               sender.State
		attempt             int
	}{
		"waits":            {0, 10 * time.Second, 10 * time.Second, sender.Done, 1},
		"cuts off":         {time.Second, 10 * time.Second, time.Second, sender.Pending, 0},
		"cuts off at once": {-1, 10 * time.Second, 0, sender.Pending, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := steady(rttest.NewScript(rttest.Step{Wait: tt.takes}))
				c.Drain = tt.drain
				s := newSender(t, c)
				for range 3 {
					enqueue(t, s, sender.Message{Endpoint: "a"})
				}
				stop := run(t, s)
				synctest.Wait()
				start := time.Now()
				stop()
				require.Equal(t, tt.until, time.Since(start))
				all := records(t, s, sender.Filter{})
				require.Equal(t, tt.state, all[0].State)
				require.Equal(t, tt.attempt, all[0].Attempt)
				require.Equal(t, sender.Pending, all[2].State, "no more were taken")
				require.Zero(t, all[2].Attempt)
				require.Zero(t, health(t, s, "a").Failures)
			})
		})
	}
}

func TestRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, steady(rttest.NewScript()))
		stop := run(t, s)
		synctest.Wait()
		require.ErrorIs(t, s.Run(t.Context()), sender.ErrRunning)
		stop()
		stop = run(t, s)
		synctest.Wait()
		stop()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, s.Run(ctx))
	})
}

// A dead endpoint costs a probe now and then, not an attempt for each message.
func TestCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken, well := rttest.NewScript(rttest.Step{Status: 503}), rttest.NewScript()
		c := steady(byHost(well, map[string]http.RoundTripper{"dead": broken}))
		c.Backoff = retry.Constant(time.Second)
		c.MaxAttempts = 1000
		c.Circuits, _ = breaker.New(breaker.Config{ConsecutiveFailures: 5, OpenTimeout: time.Minute, MaxOpenTimeout: time.Minute, Jitter: -1})
		s := newSender(t, c)
		for range 100 {
			enqueue(t, s, sender.Message{Endpoint: "dead"}, sender.Message{Endpoint: "well"})
		}
		stop := run(t, s)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Len(t, well.Calls(), 100)
		require.LessOrEqual(t, len(broken.Calls()), 7)
		require.Equal(t, sender.Paused, health(t, s, "dead").State(time.Now()))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.LessOrEqual(t, len(broken.Calls()), 7+11)
		claimed := 0
		for _, r := range records(t, s, sender.Filter{Endpoint: "dead"}) {
			claimed += r.Attempt
		}
		require.Equal(t, len(broken.Calls()), claimed, "what was refused is no attempt")
		stop()
	})
}

func TestDisabledByFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notes tape
		healed := time.Now().Add(8 * 24 * time.Hour)
		script := rttest.NewScript()
		c := steady(rttest.Func(func(req *http.Request) (*http.Response, error) {
			if time.Now().Before(healed) {
				return nil, errBroken
			}
			return script.RoundTrip(req)
		}))
		c.Backoff, c.MaxAttempts, c.Hooks, c.Poll = retry.Constant(7*time.Hour), 1000, notes.hooks(), time.Minute
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"}, sender.Message{Endpoint: "b"})
		stop := run(t, s)
		time.Sleep(119 * time.Hour)
		synctest.Wait()
		require.Equal(t, sender.Failing, health(t, s, "a").State(time.Now()))
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		h := health(t, s, "a")
		require.Equal(t, sender.Disabled, h.State(time.Now()))
		require.GreaterOrEqual(t, h.DisabledAt.Sub(h.FailingSince), sender.DefaultDisableAfter)
		require.Contains(t, notes.all(), "disabled a: 19 attempts in a row have failed")
		require.EqualValues(t, 2, stats(t, s).Disabled)

		// It keeps what comes, and gets it when it is enabled.
		enqueue(t, s, sender.Message{Endpoint: "a"})
		time.Sleep(4 * 24 * time.Hour)
		synctest.Wait()
		require.Empty(t, script.Calls())
		changed, err := s.Enable(t.Context(), "a")
		require.NoError(t, err)
		require.True(t, changed)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, script.Calls(), 2)
		require.Equal(t, sender.Active, health(t, s, "a").State(time.Now()))
		stop()
	})
}

func TestGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notes tape
		script := rttest.NewScript(rttest.Step{Status: 410, Wait: time.Second}, rttest.Step{Status: 410, Wait: 2 * time.Second}, rttest.Step{})
		c := steady(script)
		c.Hooks = notes.hooks()
		s := newSender(t, c)
		for range 3 {
			enqueue(t, s, sender.Message{Endpoint: "a"})
		}
		stop := run(t, s)
		time.Sleep(time.Hour)
		synctest.Wait()
		// The second was under way when the first was answered.
		require.Equal(t, []string{"retry 1", "disabled a: it has answered 410 Gone", "retry 1"}, notes.all())
		_, err := s.Enable(t.Context(), "a")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		stop()
		require.EqualValues(t, 3, stats(t, s).Done)
	})
}

// An endpoint that is disabled while an attempt succeeds stays disabled.
func TestDisableWhileInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, steady(rttest.NewScript(rttest.Step{Wait: time.Second})))
		for range 3 {
			enqueue(t, s, sender.Message{Endpoint: "a"})
		}
		stop := run(t, s)
		synctest.Wait()
		changed, err := s.Disable(t.Context(), "a", "by hand")
		require.NoError(t, err)
		require.True(t, changed)
		changed, err = s.Disable(t.Context(), "a", "again")
		require.NoError(t, err)
		require.False(t, changed)
		time.Sleep(time.Minute)
		stop()
		require.Equal(t, "by hand", health(t, s, "a").Reason)
		require.EqualValues(t, 2, stats(t, s).Done)
		require.EqualValues(t, 1, stats(t, s).Pending)
	})
}

// After an outage the messages do not all come back at once.
func TestNoStormAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.NewScript(rttest.Step{Status: 500}))
		c.Backoff = sender.Schedule(time.Hour)
		s := newSender(t, c)
		for i := range 200 {
			enqueue(t, s, sender.Message{Endpoint: fmt.Sprint("e", i)})
		}
		stop := run(t, s)
		synctest.Wait()
		stop()
		minutes := make(map[int64]int)
		now := time.Now()
		for _, r := range records(t, s, sender.Filter{Limit: 1000}) {
			minutes[int64(r.Due.Sub(now)/time.Minute)]++
		}
		require.Greater(t, len(minutes), 10)
		for _, n := range minutes {
			require.Less(t, n, 60)
		}
	})
}

// A hook that panics must leave no lock held, so it may ask what it likes.
func TestHooksMayAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *sender.Sender
		var asked atomic.Int32
		ask := func() {
			_, err := s.Health(context.Background(), "a")
			if err == nil {
				_, err = s.Enqueue(context.Background(), sender.Message{Endpoint: "a", ID: "again"})
			}
			if err == nil {
				asked.Add(1)
			}
		}
		c := steady(rttest.NewScript(rttest.Step{Status: 410}, rttest.Step{}))
		c.Hooks = sender.Hooks{
			Delivered: func(sender.Attempt) { ask() },
			Retry:     func(sender.Attempt) { ask() },
			Disabled: func(h sender.Health) {
				ask()
				_, err := s.Enable(context.Background(), h.Endpoint)
				if err != nil {
					asked.Store(-100)
				}
			},
		}
		s = newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a", ID: "again"})
		stop := run(t, s)
		time.Sleep(5 * time.Minute)
		stop()
		require.EqualValues(t, 3, asked.Load())
	})
}

func TestErrorsOfAClosedContext(t *testing.T) {
	t.Parallel()
	s := newSender(t, steady(rttest.NewScript()))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	var failed *sender.StoreError
	_, err := s.Enqueue(ctx, sender.Message{Endpoint: "a"})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "put", failed.Op)
	for _, call := range []func() error{
		func() error { _, err := s.List(ctx, sender.Filter{}); return err },
		func() error { _, err := s.Replay(ctx, sender.Filter{}); return err },
		func() error { _, err := s.Stats(ctx); return err },
		func() error { _, err := s.Health(ctx, "a"); return err },
		func() error { _, err := s.Enable(ctx, "a"); return err },
		func() error { _, err := s.Disable(ctx, "a", ""); return err },
	} {
		err := call()
		require.ErrorIs(t, err, errBroken)
		require.True(t, errors.As(err, &failed) && failed.Retryable())
	}
}
