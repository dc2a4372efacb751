package inbox_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

func TestLeaseIsExtended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := inbox.NewMemory()
		in := newInbox(t, inbox.Config{Store: store, Hooks: j.hooks(), Timeout: -1, Handle: func(ctx context.Context, _ *inbox.Delivery) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Hour):
				return nil
			}
		}})
		put(t, in, event("a"))
		stop := run(t, in)
		for range 100 {
			time.Sleep(30 * time.Second)
			claims, err := store.Claim(t.Context(), time.Now(), time.Now().Add(time.Minute), 1)
			require.NoError(t, err)
			require.Empty(t, claims)
		}
		time.Sleep(time.Hour)
		stop()
		require.Equal(t, []string{"1h0m0s done a 1/0"}, j.all())
	})
}

// A handler that goes on after its time keeps its worker, but not its lease.
func TestLeaseEndsAfterTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		release := make(chan struct{})
		in := newInbox(t, inbox.Config{Hooks: j.hooks(), Workers: 2, Timeout: 2 * time.Minute, Backoff: everySecond(), Handle: func(_ context.Context, d *inbox.Delivery) error {
			if d.Attempt == 1 {
				<-release // whatever the context says
				return nil
			}
			return nil
		}})
		put(t, in, event("a"))
		stop := run(t, in)
		time.Sleep(10 * time.Minute)
		close(release)
		time.Sleep(time.Minute)
		stop()
		all := j.all()
		require.Len(t, all, 2)
		require.Contains(t, all[0], "10m0s lost a 1/0: inbox: the lease was lost")
		require.Contains(t, all[1], "done a 2/1")
	})
}

func TestLostLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := storetest.NewFaulty(inbox.NewMemory())
		in := newInbox(t, inbox.Config{Store: store, Hooks: j.hooks(), Handle: func(ctx context.Context, _ *inbox.Delivery) error {
			<-ctx.Done()
			j.add("ended: %v", context.Cause(ctx))
			return context.Cause(ctx)
		}})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		store.Fail(storetest.Extend, errBroken)
		store.Fail(storetest.Claim, errBroken)
		time.Sleep(59 * time.Second)
		require.Empty(t, j.all())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "1m0s ended: inbox: the lease was lost", j.all()[0])
		stop()
	})
}

func TestStolenLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := inbox.NewMemory()
		in := newInbox(t, inbox.Config{Store: store, Hooks: j.hooks(), Handle: func(ctx context.Context, _ *inbox.Delivery) error {
			<-ctx.Done()
			return nil
		}})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		// Somebody whose clock is ahead.
		claims, err := store.Claim(t.Context(), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), 1)
		require.NoError(t, err)
		require.Len(t, claims, 1)
		time.Sleep(30 * time.Second)
		require.Equal(t, []string{"20s lost a 1/0: inbox: the lease was lost"}, j.all())
		require.NoError(t, store.Finish(t.Context(), time.Now(), claims[0].Token, inbox.Outcome{State: inbox.Done}))
		stop()
		require.Equal(t, inbox.Done, stateOf(t, in, "a"))
	})
}
