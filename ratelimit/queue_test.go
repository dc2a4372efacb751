package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// crew acquires permits of one key in a bubble and remembers how that went.
type crew struct {
	t       *testing.T
	limiter *ratelimit.Limiter
	begin   time.Time

	wg      sync.WaitGroup
	mu      sync.Mutex
	served  []string
	at      []time.Duration
	refused map[string]*ratelimit.Error
}

// newCrew uses up the burst of the key first.
func newCrew(t *testing.T, c ratelimit.Config) *crew {
	t.Helper()
	w := &crew{t: t, limiter: newLimiter(t, c), refused: map[string]*ratelimit.Error{}}
	for range max(1, c.Burst) {
		p, err := w.limiter.Acquire(t.Context(), "key")
		require.NoError(t, err)
		p.Release(nil)
	}
	w.begin = time.Now()
	return w
}

// sends lets a call come and returns when it is waiting or has ended.
func (w *crew) sends(ctx context.Context, name string) {
	w.wg.Go(func() {
		p, err := w.limiter.Acquire(ctx, "key")
		w.mu.Lock()
		defer w.mu.Unlock()
		if e, ok := errors.AsType[*ratelimit.Error](err); ok {
			w.refused[name] = e
		}
		if err == nil {
			w.served = append(w.served, name)
			w.at = append(w.at, time.Since(w.begin))
			p.Release(nil)
		}
	})
	synctest.Wait()
}

func TestLanesShareTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 10, Burst: 1})
		for p, name := range map[ratelimit.Priority]string{ratelimit.Interactive: "i", ratelimit.Normal: "n", ratelimit.Batch: "b"} {
			for range 200 {
				w.sends(ratelimit.WithPriority(t.Context(), p), name)
			}
		}
		w.wg.Wait()
		for _, n := range []int{20, 40, 100, 200} { // while all of them wait
			first := strings.Join(w.served[:n], "")
			require.Equal(t, []int{n * 15 / 20, n * 4 / 20, n / 20},
				[]int{strings.Count(first, "i"), strings.Count(first, "n"), strings.Count(first, "b")})
		}
		require.Len(t, w.served, 600)
		require.Equal(t, 60*time.Second, w.at[599], "no token was lost")
	})
}

// However many come before it, a batch call is served.
func TestStarvationIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 10, Burst: 1})
		for range 30 {
			w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Interactive), "i")
		}
		w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Batch), "b")
		for range 300 { // always enough that are more urgent
			w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Interactive), "i")
			w.sends(t.Context(), "n")
			time.Sleep(100 * ms)
		}
		w.wg.Wait()
		require.LessOrEqual(t, slices.Index(w.served, "b"), 20)
	})
}

// One who comes for a person does not stand behind a long queue of others.
func TestInteractiveOvertakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1})
		for range 50 {
			w.sends(t.Context(), "n")
		}
		time.Sleep(10*time.Second + 1)
		synctest.Wait()
		served := len(w.served)
		w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Interactive), "i")
		w.wg.Wait()
		require.LessOrEqual(t, slices.Index(w.served, "i"), served+1)
	})
}

func TestFlowsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1})
		send := func(flow string, n int) {
			for i := range n {
				w.sends(ratelimit.WithFlow(t.Context(), flow), fmt.Sprintf("%s%d", flow, i))
			}
		}
		send("a", 5)
		send("b", 2)
		send("c", 1)
		w.wg.Wait()
		require.Equal(t, "a0 b0 c0 a1 b1 a2 a3 a4", strings.Join(w.served, " "))
	})
}

// A flow that sends one after the other gets as much as one with a long queue,
// and new flows in any number do not keep an old one waiting.
func TestFlowsThatComeAndGoTakeNoMore(t *testing.T) {
	t.Parallel()
	for name, flow := range map[string]func(i int) string{
		"one flow": func(int) string { return "b" },
		"ever new": func(i int) string { return fmt.Sprint("b", i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newCrew(t, ratelimit.Config{Rate: 10, Burst: 1})
				for range 100 {
					w.sends(ratelimit.WithFlow(t.Context(), "a"), "a")
				}
				for i := range 100 {
					w.sends(ratelimit.WithFlow(t.Context(), flow(i)), "b")
					time.Sleep(200 * ms)
				}
				w.wg.Wait()
				first := strings.Join(w.served[:100], "")
				require.InDelta(t, 50, strings.Count(first, "a"), 2)
			})
		})
	}
}

// Whoever cancels has no advantage of it, and neither has he who stays.
func TestCancelledFlowKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1})
		gone, cancel := context.WithCancel(t.Context())
		for range 50 {
			w.sends(ratelimit.WithFlow(gone, "a"), "gone")
		}
		w.sends(ratelimit.WithFlow(t.Context(), "a"), "a")
		for range 50 {
			w.sends(ratelimit.WithFlow(t.Context(), "b"), "b")
		}
		cancel()
		w.wg.Wait()
		require.Contains(t, w.served[:2], "a")
		require.Len(t, w.served, 51)
		require.Equal(t, 51*time.Second, w.at[50])
	})
}

// The forecast decides about admission: one nanosecond less, and he is refused.
func TestAdmissionIsDecidedOnArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1})
		for range 9 {
			w.sends(t.Context(), "n")
		}
		late, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		w.sends(late, "late")
		require.Equal(t, &ratelimit.Error{Key: "key", Reason: ratelimit.DeadlineTooClose, Wait: 10 * time.Second}, w.refused["late"])
		inTime, cancel := context.WithTimeout(t.Context(), 10*time.Second+1)
		defer cancel()
		w.sends(inTime, "in time")
		w.sends(ratelimit.WithPriority(late, ratelimit.Interactive), "urgent")
		w.wg.Wait()
		require.Contains(t, w.served, "urgent", "the same deadline is no problem in the other lane")
		require.Contains(t, w.refused, "in time", "the urgent one took its place: refused when that was certain")
	})
}

// throttledFor is the error of work that a server has throttled.
type throttledFor time.Duration

func (throttledFor) Error() string               { return "throttled" }
func (e throttledFor) RetryAfter() time.Duration { return time.Duration(e) }

// A hold that comes while people wait refuses at once those, and only those,
// for whom it will be too late.
func TestHoldRefusesThoseWhoCannotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var plans []ratelimit.Replan
		w := newCrew(t, ratelimit.Config{Rate: 1, Burst: 2, Hooks: ratelimit.Hooks{
			Replan: func(r ratelimit.Replan) { plans = append(plans, r) },
		}})
		time.Sleep(time.Second)
		p, err := w.limiter.Acquire(t.Context(), "key")
		require.NoError(t, err)
		w.begin = time.Now()
		for i, patience := range []time.Duration{5 * time.Second, 14 * time.Second, 0, 13 * time.Second, 13 * time.Second} {
			ctx := t.Context()
			if patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, patience+ms)
				defer cancel()
			}
			w.sends(ctx, strconv.Itoa(i))
		}
		time.Sleep(500 * ms)
		p.Release(throttledFor(10 * time.Second)) // until 10.5, when the bucket is full again
		require.Equal(t, []ratelimit.Replan{{Key: "key", Waiting: 5, Refused: 1, Next: 10 * time.Second}}, plans)
		synctest.Wait()
		require.Len(t, w.refused, 1, "at once")
		require.Equal(t, 10*time.Second, w.refused["0"].Wait)
		require.Equal(t, ratelimit.DeadlineTooClose, w.refused["0"].Reason)
		w.wg.Wait()
		require.ElementsMatch(t, []string{"1", "2"}, w.served[:2], "together")
		require.Equal(t, []string{"3", "4"}, w.served[2:])
		require.Equal(t, []time.Duration{10500 * ms, 10500 * ms, 11500 * ms, 12500 * ms}, w.at)
		p.Release(throttledFor(time.Hour))
		require.Len(t, plans, 1, "only the first release counts")
	})
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1, MaxQueue: 3})
		batch := ratelimit.WithPriority(t.Context(), ratelimit.Batch)
		w.sends(batch, "b0")
		w.sends(batch, "b1")
		w.sends(t.Context(), "n0")
		w.sends(batch, "b2")
		require.Equal(t, ratelimit.QueueFull, w.refused["b2"].Reason, "the newcomer would be last")
		require.EqualError(t, w.refused["b2"], "ratelimit: key: next turn in 4s, and the queue is full")
		w.sends(t.Context(), "n1")
		require.Equal(t, ratelimit.QueueFull, w.refused["b1"].Reason, "the last of the lowest lane gives way")
		w.sends(t.Context(), "n2")
		require.Contains(t, w.refused, "b0")
		w.sends(t.Context(), "n3")
		require.Contains(t, w.refused, "n3")
		w.sends(ratelimit.WithFlow(t.Context(), "few"), "few")
		require.Contains(t, w.refused, "n2", "the flow that fills the queue gives way")
		w.wg.Wait()
		require.Equal(t, []string{"n0", "few", "n1"}, w.served)
	})
}

func TestMaxWaitEndsEvenForThoseWhoWereOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCrew(t, ratelimit.Config{Rate: 1, MaxWait: 10 * time.Second})
		w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Batch), "b")
		for range 30 {
			w.sends(ratelimit.WithPriority(t.Context(), ratelimit.Interactive), "i")
			time.Sleep(500 * ms)
		}
		synctest.Wait()
		require.Equal(t, ratelimit.WaitTooLong, w.refused["b"].Reason)
		require.Positive(t, w.refused["b"].Wait)
		w.wg.Wait()
	})
}

func TestPriority(t *testing.T) {
	t.Parallel()
	require.Equal(t, "batch normal interactive", fmt.Sprint(ratelimit.Batch, " ", ratelimit.Normal, " ", ratelimit.Interactive))
	require.Equal(t, ratelimit.Normal, ratelimit.Priority(0))
}
