package sender_test

import (
	"fmt"
	"net/http"
	"sync"
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
