package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

func TestRunHandlesWhatIsPut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		var keys []string
		in := newInbox(t, inbox.Config{Workers: 1, Hooks: j.hooks(), Handle: func(_ context.Context, d *inbox.Delivery) error {
			keys = append(keys, d.IdempotencyKey())
			j.add("%s %s %s", d.ID, d.Body, d.Source)
			return nil
		}})
		put(t, in, event("before"))
		stop := run(t, in)
		synctest.Wait()
		put(t, in, event("a"), event("b"))
		synctest.Wait()
		stop()
		require.Equal(t, []string{"0s before before test", "0s done before 1/0", "0s a a test", "0s done a 1/0", "0s b b test", "0s done b 1/0"}, j.all())
		require.Len(t, keys[0], 64)
		slices.Sort(keys)
		require.Len(t, slices.Compact(keys), 3)
	})
}

func TestRunFindsWhatOthersPut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := inbox.NewMemory()
		in := newInbox(t, inbox.Config{Store: store, Hooks: j.hooks(), Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		stop := run(t, in)
		time.Sleep(300 * time.Millisecond)
		put(t, newInbox(t, inbox.Config{Store: store}), event("a"))
		time.Sleep(2 * time.Second)
		stop()
		require.Equal(t, []string{"1s done a 1/0"}, j.all())
	})
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		config inbox.Config
		handle func(ctx context.Context, attempt int) error
		want   []string
	}{
		"until it succeeds": {
			handle: func(_ context.Context, attempt int) error {
				if attempt < 3 {
					return errBroken
				}
				return nil
			},
			want: []string{"0s retry a 1/0: broken", "1s retry a 2/0: broken", "2s done a 3/0"},
		},
		"until there were enough": {
			config: inbox.Config{MaxAttempts: 2},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s retry a 1/0: broken", "1s dead a 2/0: broken"},
		},
		"once": {
			config: inbox.Config{MaxAttempts: -1},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s dead a 1/0: broken"},
		},
		"permanent": {
			handle: func(context.Context, int) error { return fmt.Errorf("wrapped: %w", inbox.Permanent(errBroken)) },
			want:   []string{"0s dead a 1/0: wrapped: broken"},
		},
		"not retryable is not permanent": {
			config: inbox.Config{MaxAttempts: 2},
			handle: func(context.Context, int) error { return notRetryable{} },
			want:   []string{"0s retry a 1/0: not retryable", "1s dead a 2/0: not retryable"},
		},
		"later": {
			config: inbox.Config{MaxAttempts: 2},
			handle: func(context.Context, int) error { return inbox.RetryAfter(time.Hour, errBroken) },
			want:   []string{"0s retry a 1/0: broken", "1h0m0s dead a 2/0: broken"},
		},
		"not so late": {
			config: inbox.Config{MaxAttempts: 2, MaxRetryAfter: time.Minute},
			handle: func(context.Context, int) error { return inbox.RetryAfter(1<<62, errBroken) },
			want:   []string{"0s retry a 1/0: broken", "1m0s dead a 2/0: broken"},
		},
		"sooner than the schedule": {
			config: inbox.Config{MaxAttempts: 2},
			handle: func(context.Context, int) error { return inbox.RetryAfter(-1<<62, errBroken) },
			want:   []string{"0s retry a 1/0: broken", "1s dead a 2/0: broken"},
		},
		"wishes ignored": {
			config: inbox.Config{MaxAttempts: 2, MaxRetryAfter: -1},
			handle: func(context.Context, int) error { return inbox.RetryAfter(time.Hour, errBroken) },
			want:   []string{"0s retry a 1/0: broken", "1s dead a 2/0: broken"},
		},
		"the schedule stops": {
			config: inbox.Config{Backoff: func() backoff.BackOff { return &backoff.StopBackOff{} }},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s dead a 1/0: broken"},
		},
		"no schedule": {
			config: inbox.Config{Backoff: func() backoff.BackOff { return nil }},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s dead a 1/0: broken"},
		},
		"the schedule goes on where it was": {
			config: inbox.Config{MaxAttempts: 4, Backoff: func() backoff.BackOff { return &growing{} }},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s retry a 1/0: broken", "1s retry a 2/0: broken", "3s retry a 3/0: broken", "6s dead a 4/0: broken"},
		},
		"a schedule out of range": {
			config: inbox.Config{MaxAttempts: 2, Backoff: func() backoff.BackOff { return &backoff.ConstantBackOff{Interval: -5} }},
			handle: func(context.Context, int) error { return errBroken },
			want:   []string{"0s retry a 1/0: broken", "6ms dead a 2/0: broken"},
		},
		"panics": {
			config: inbox.Config{MaxAttempts: 3},
			handle: func(_ context.Context, attempt int) error {
				switch attempt {
				case 1:
					panic("oh")
				case 2:
					panic(errBroken)
				}
				panic(struct{ secret string }{"hush"})
			},
			want: []string{
				"0s retry a 1/0: inbox: the handler panicked: oh", "1s retry a 2/0: inbox: the handler panicked: broken",
				"2s dead a 3/0: inbox: the handler panicked with a struct { secret string }",
			},
		},
		"ends its goroutine": {
			config: inbox.Config{MaxAttempts: -1},
			handle: func(context.Context, int) error { runtime.Goexit(); return nil },
			want:   []string{"0s dead a 1/0: inbox: the handler has ended its goroutine"},
		},
		"takes too long": {
			config: inbox.Config{MaxAttempts: -1, Timeout: 3 * time.Second},
			handle: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) },
			want:   []string{"3s dead a 1/0: inbox: the handler took too long"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newJournal()
				c := test.config
				c.Hooks = j.hooks()
				if c.Backoff == nil {
					c.Backoff = everySecond()
				}
				c.Handle = func(ctx context.Context, d *inbox.Delivery) error { return test.handle(ctx, d.Attempt) }
				in := newInbox(t, c)
				stop := run(t, in)
				put(t, in, event("a"))
				time.Sleep(61 * time.Minute)
				stop()
				require.Equal(t, test.want, j.all())
			})
		})
	}
	require.NoError(t, inbox.Permanent(nil))
	require.NoError(t, inbox.RetryAfter(time.Second, nil))
}

type notRetryable struct{}

func (notRetryable) Error() string   { return "not retryable" }
func (notRetryable) Retryable() bool { return false }

// growing waits a second longer each time.
type growing struct{ delay time.Duration }

func (g *growing) Reset() { g.delay = 0 }

func (g *growing) NextBackOff() time.Duration {
	g.delay += time.Second
	return g.delay
}

func TestReasonIsStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		long := strings.Repeat("é", 2000) + "\x00"
		in := newInbox(t, inbox.Config{Handle: func(context.Context, *inbox.Delivery) error { return inbox.Permanent(errors.New("x\x00" + long)) }})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		stop()
		records, err := in.List(t.Context(), inbox.Filter{State: inbox.Dead})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(records[0].Reason, "x\uFFFDéé"))
		require.LessOrEqual(t, len(records[0].Reason), 1100)
	})
}

func TestFinishSurvivesAFailingStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := storetest.NewFaulty(inbox.NewMemory())
		hooks := j.hooks()
		var failures atomic.Int64
		hooks.StoreFailed = func(err *inbox.StoreError) {
			require.Equal(t, "finish", err.Op)
			failures.Add(1)
		}
		in := newInbox(t, inbox.Config{Store: store, Hooks: hooks, Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		store.Fail(storetest.Finish, errBroken)
		put(t, in, event("a"))
		stop := run(t, in)
		time.Sleep(3 * time.Second)
		store.Fail(storetest.Finish, nil)
		time.Sleep(2 * time.Second)
		stop()
		require.Len(t, j.all(), 1)
		require.Contains(t, j.all()[0], "done a 1/0")
		require.Positive(t, failures.Load())
	})
}

func TestFinishGivesUpAndTheEventComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := storetest.NewFaulty(inbox.NewMemory())
		in := newInbox(t, inbox.Config{Store: store, Hooks: j.hooks(), Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		store.Fail(storetest.Finish, errBroken)
		put(t, in, event("a"))
		stop := run(t, in)
		time.Sleep(30 * time.Second)
		store.Fail(storetest.Finish, nil)
		time.Sleep(2 * time.Minute)
		stop()
		require.Equal(t, []string{"10s lost a 1/0: inbox: finish: broken", "1m0s done a 2/1"}, j.all())
	})
}

func TestRunSurvivesAFailingStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		store := storetest.NewFaulty(inbox.NewMemory())
		hooks := j.hooks()
		hooks.StoreFailed = func(err *inbox.StoreError) { j.add("failed %s", err.Op) }
		in := newInbox(t, inbox.Config{Store: store, Hooks: hooks, Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		store.Fail(storetest.Claim, errBroken)
		stop := run(t, in)
		time.Sleep(2500 * time.Millisecond)
		put(t, in, event("a"))
		time.Sleep(time.Second)
		store.Fail(storetest.Claim, nil)
		time.Sleep(time.Second)
		stop()
		require.Equal(t, []string{"0s failed claim", "1s failed claim", "2s failed claim", "3s failed claim", "4s done a 1/0"}, j.all())
	})
}

func TestRunRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.ErrorIs(t, newInbox(t, inbox.Config{}).Run(t.Context()), inbox.ErrNoHandler)
		in := newInbox(t, inbox.Config{Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		stop := run(t, in)
		synctest.Wait()
		require.ErrorIs(t, in.Run(t.Context()), inbox.ErrRunning)
		stop()
		stop = run(t, in)
		stop()
	})
}

// TestRunClaimsNoMoreThanItHandles looks at how much of a backlog is in memory.
func TestRunClaimsNoMoreThanItHandles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &claimCounter{Store: inbox.NewMemory()}
		in := newInbox(t, inbox.Config{Store: store, Workers: 8, Handle: func(context.Context, *inbox.Delivery) error {
			time.Sleep(time.Millisecond)
			return nil
		}})
		const events = 5000
		for i := range events {
			put(t, in, event(strconv.Itoa(i)))
		}
		stop := run(t, in)
		time.Sleep(time.Minute)
		stop()
		require.Zero(t, store.claimed.Load())
		require.EqualValues(t, 8, store.most.Load())
		n, err := store.Backlog(t.Context(), 1)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

type claimCounter struct {
	inbox.Store
	claimed, most atomic.Int64
}

func (c *claimCounter) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	claims, err := c.Store.Claim(ctx, now, until, limit)
	c.most.Store(max(c.most.Load(), c.claimed.Add(int64(len(claims)))))
	return claims, err
}

func (c *claimCounter) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	c.claimed.Add(-1)
	return c.Store.Finish(ctx, now, token, o)
}
