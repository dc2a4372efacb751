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
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

// nilError is an error whose nil pointer is none: a handler that returns one has
// made a mistake that is common in Go.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestErrorThatPanicsEndsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var dead inbox.Attempt
		in := newInbox(t, inbox.Config{
			MaxAttempts: -1,
			Hooks:       inbox.Hooks{Dead: func(a inbox.Attempt) { dead = a }},
			Handle: func(context.Context, *inbox.Delivery) error {
				var e *nilError
				return e
			},
		})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		stop()
		var panicked *inbox.PanicError
		require.ErrorAs(t, dead.Err, &panicked)
		require.ErrorContains(t, dead.Err, "nil pointer")
		require.Equal(t, inbox.Dead, stateOf(t, in, "a"))
	})
}

// panicky panics when it is first asked to count.
type panicky struct {
	inbox.Store
	done atomic.Bool
}

func (p *panicky) Backlog(ctx context.Context, limit int) (int, error) {
	if p.done.CompareAndSwap(false, true) {
		panic("no driver")
	}
	return p.Store.Backlog(ctx, limit)
}

func TestBacklogIsCountedAfterAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{
			Store: &panicky{Store: inbox.NewMemory()}, MaxBacklog: 1,
			Handle: func(context.Context, *inbox.Delivery) error { return nil },
		})
		require.Panics(t, func() { _, _ = in.Put(t.Context(), event("a")) })
		stop := run(t, in)
		defer stop()
		for _, id := range []string{"a", "b", "c"} {
			put(t, in, event(id))
			time.Sleep(time.Second)
		}
	})
}

// Events that were claimed too late are given back at once, however many they
// are and however ill the store is.
func TestGivingBackIsNotOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := storetest.NewFaulty(inbox.NewMemory())
		in := newInbox(t, inbox.Config{
			Store: &slowClaims{Store: store}, Lease: time.Hour,
			Handle: func(context.Context, *inbox.Delivery) error { return nil },
		})
		for _, id := range []string{"a", "b", "c", "d"} {
			put(t, in, event(id))
		}
		store.Fail(storetest.Finish, errBroken)
		stop := run(t, in)
		synctest.Wait()
		start := time.Now()
		stop()
		require.LessOrEqual(t, time.Since(start), 12*time.Second)
	})
}

// hanging has claims that end with their contexts alone.
type hanging struct{ inbox.Store }

func (*hanging) Claim(ctx context.Context, _, _ time.Time, _ int) ([]inbox.Claim, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestRunEndsWhenTheStoreHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{
			Store: &hanging{Store: inbox.NewMemory()}, Lease: time.Hour,
			Handle: func(context.Context, *inbox.Delivery) error { return nil },
		})
		stop := run(t, in)
		synctest.Wait()
		start := time.Now()
		stop()
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
	})
}

// stepping has a clock that somebody sets.
type stepping struct {
	inbox.Store
	ahead atomic.Int64
}

func (s *stepping) Now(context.Context) (time.Time, error) {
	return time.Now().Add(time.Duration(s.ahead.Load())), nil
}

// The clock of the store is set while an event is being handled. By that clock
// its lease is over, but nobody has died.
func TestStepOfTheClockEndsNoLease(t *testing.T) {
	for name, step := range map[string]time.Duration{"forwards": 24 * time.Hour, "backwards": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newJournal()
				store := &stepping{Store: inbox.NewMemory()}
				in := newInbox(t, inbox.Config{Store: store, Lease: 70 * time.Second, Hooks: j.hooks(), Handle: func(ctx context.Context, _ *inbox.Delivery) error {
					select {
					case <-time.After(4 * time.Minute):
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}})
				put(t, in, event("a"))
				stop := run(t, in)
				time.Sleep(30 * time.Second)
				store.ahead.Store(int64(step))
				time.Sleep(5 * time.Minute)
				stop()
				require.Equal(t, []string{"4m0s done a 1/0"}, j.all())
			})
		})
	}
}

// What is told to others is the same on each attempt and each replay.
func TestIdempotencyKeyStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keys := make(map[string]int)
		in := newInbox(t, inbox.Config{Workers: 1, MaxAttempts: 3, Backoff: everySecond(), Handle: func(_ context.Context, d *inbox.Delivery) error {
			keys[d.IdempotencyKey()]++
			return errBroken
		}})
		put(t, in, event("a"))
		stop := run(t, in)
		time.Sleep(time.Minute)
		for range 2 {
			n, err := in.Replay(t.Context(), inbox.Filter{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			n, err = in.Replay(t.Context(), inbox.Filter{})
			require.NoError(t, err)
			require.Zero(t, n, "it is on its way already")
			time.Sleep(time.Minute)
		}
		stop()
		require.Len(t, keys, 1)
		for _, n := range keys {
			require.Equal(t, 9, n)
		}
	})
}

// A copy is one for as long as the event is kept, whenever the old ones are
// forgotten.
func TestLateCopies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{KeepDone: time.Hour, Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		put(t, in, event("a"))
		stop := run(t, in)
		defer stop()
		for range 59 {
			time.Sleep(time.Minute)
			require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, in, event("a")))
		}
		time.Sleep(3 * time.Minute)
		require.Equal(t, []inbox.Result{inbox.Stored}, put(t, in, event("a")))
	})
}

// What has failed together does not come back together.
func TestNoStormAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{Handle: func(context.Context, *inbox.Delivery) error { return errBroken }})
		for i := range 200 {
			put(t, in, event(strconv.Itoa(i)))
		}
		stop := run(t, in)
		synctest.Wait()
		stop()
		records, err := in.List(t.Context(), inbox.Filter{State: inbox.Pending, Limit: 1000})
		require.NoError(t, err)
		require.Len(t, records, 200)
		tenths := make(map[time.Duration]int)
		for _, r := range records {
			tenths[time.Until(r.Due)/(100*time.Millisecond)]++
		}
		require.Greater(t, len(tenths), 15)
		for _, n := range tenths {
			require.Less(t, n, 40)
		}
	})
}
