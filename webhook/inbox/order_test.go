package inbox_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func TestOrderOfAKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		in := newInbox(t, inbox.Config{Hooks: j.hooks(), Backoff: everySecond(), MaxAttempts: 2, Handle: func(_ context.Context, d *inbox.Delivery) error {
			time.Sleep(10 * time.Millisecond)
			if d.ID == "a1" {
				return errBroken
			}
			return nil
		}})
		put(t, in, keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), keyed("a3", "a"))
		stop := run(t, in)
		time.Sleep(5 * time.Second)
		stop()
		require.ElementsMatch(t, []string{
			"10ms retry a1 1/0: broken", "10ms done b1 1/0", "1.02s dead a1 2/0: broken", "1.03s done a2 1/0", "1.04s done a3 1/0",
		}, j.all())
	})
}

func TestHoldKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		var repaired atomic.Bool
		in := newInbox(t, inbox.Config{Hooks: j.hooks(), HoldKey: true, Handle: func(_ context.Context, d *inbox.Delivery) error {
			if d.ID == "a1" && !repaired.Load() {
				return inbox.Permanent(errBroken)
			}
			return nil
		}})
		put(t, in, keyed("a1", "a"), keyed("a2", "a"), event("free"))
		stop := run(t, in)
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"0s dead a1 1/0: broken", "0s done free 1/0"}, j.all())
		repaired.Store(true)
		n, err := in.Replay(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		synctest.Wait()
		stop()
		require.Equal(t, []string{"1m0s done a1 1/0", "1m0s done a2 1/0"}, j.all()[2:])
	})
}

func TestReplayAndDiscardInPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var repaired, handled atomic.Int64
		in := newInbox(t, inbox.Config{Handle: func(_ context.Context, d *inbox.Delivery) error {
			if repaired.Load() == 0 {
				return inbox.Permanent(errBroken)
			}
			handled.Add(1)
			require.Equal(t, 1, d.Replays)
			return nil
		}})
		for i := range 250 {
			put(t, in, event(strconv.Itoa(i)))
		}
		stop := run(t, in)
		time.Sleep(time.Second)
		repaired.Store(1)
		n, err := in.Replay(t.Context(), inbox.Filter{Limit: 120})
		require.NoError(t, err)
		require.Equal(t, 120, n)
		n, err = in.Replay(t.Context(), inbox.Filter{ID: "200"})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		time.Sleep(time.Second)
		require.EqualValues(t, 121, handled.Load())
		n, err = in.Discard(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		require.Equal(t, 129, n)
		stop()
		stats, err := in.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Dead)
		records, err := in.List(t.Context(), inbox.Filter{State: inbox.Discarded})
		require.NoError(t, err)
		require.Len(t, records, inbox.DefaultLimit)
	})
}

// What was Done long ago is forgotten, and what is Dead later.
func TestOldEventsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{KeepDone: time.Hour, KeepDead: 2 * time.Hour, Handle: func(_ context.Context, d *inbox.Delivery) error {
			if d.ID == "dead" {
				return inbox.Permanent(errBroken)
			}
			return nil
		}})
		put(t, in, event("done"), event("dead"))
		stop := run(t, in)
		count := func() int {
			records, err := in.List(t.Context(), inbox.Filter{})
			require.NoError(t, err)
			return len(records)
		}
		time.Sleep(time.Hour - time.Minute)
		require.Equal(t, 2, count())
		time.Sleep(3 * time.Minute)
		require.Equal(t, 1, count())
		time.Sleep(time.Hour)
		require.Zero(t, count())
		stop()
	})
}
