package sender_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

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

// What a message costs from Enqueue to the end, without a network.
func BenchmarkDeliver(b *testing.B) {
	c := steady(rttest.Func(func(req *http.Request) (*http.Response, error) {
		_ = req.Body.Close()
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
	}))
	done := make(chan struct{}, 1)
	c.Hooks.Delivered = func(sender.Attempt) { done <- struct{}{} }
	s := newSender(b, c)
	stop := run(b, s)
	defer stop()
	m := sender.Message{Endpoint: "a", Body: make([]byte, 2<<10)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Enqueue(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}
