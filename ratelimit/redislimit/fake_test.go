package redislimit_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

const ms = time.Millisecond

var errDown = errors.New("connection refused")

// fakeRedis answers as the script does, by the clock of the bubble. Tests of
// the script itself need a real Redis and are elsewhere.
type fakeRedis struct {
	mu      sync.Mutex
	state   map[string]*fakeState
	calls   [][]string    // the arguments of each
	down    bool          // every call fails
	hang    bool          // no call returns before its context ends
	latency time.Duration // of each call
}

type fakeState struct {
	tat, held, left, reset, seen int64
	replicas                     map[string]int64
}

func newFake() *fakeRedis { return &fakeRedis{state: make(map[string]*fakeState)} }

func (f *fakeRedis) set(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// lose forgets everything, as a restart does.
func (f *fakeRedis) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.state)
}

func (f *fakeRedis) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// Eval implements redislimit.Config.Eval.
func (f *fakeRedis) Eval(ctx context.Context, _ string, keys, args []string) (any, error) {
	f.mu.Lock()
	f.calls = append(f.calls, args)
	latency, hang, down := f.latency, f.hang, f.down
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if latency > 0 {
		time.Sleep(latency)
	}
	if down {
		return nil, errDown
	}
	return f.run(keys[0], args), nil
}

func (f *fakeRedis) run(key string, args []string) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	number := func(i int) int64 {
		n, err := strconv.ParseInt(args[i-1], 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	want, interval, credit, patience := number(1), number(2), number(3), number(4)
	outage, grace, mark, unused := number(7), number(8), number(9), number(10)
	hold, remaining, resets, guard := number(11), number(12), number(13), number(14)
	now := time.Now().UnixMicro()
	s := f.state[key]
	if s == nil {
		s = &fakeState{seen: -1, replicas: make(map[string]int64)}
		f.state[key] = s
	}
	if unused > 0 && mark == s.tat {
		s.tat -= unused * interval / 1000
	}
	if hold > 0 {
		s.held = max(s.held, now+hold)
	}
	if ends := now + resets; remaining >= 0 && resets > 0 {
		if s.reset <= now || ends > s.reset+guard {
			s.left, s.reset = remaining, ends
		} else if ends >= s.reset-guard {
			s.left = min(s.left, remaining)
		}
	}
	if outage >= 0 {
		from := now
		if s.seen <= now-outage {
			from += grace
		}
		s.tat = max(s.tat, from)
	}
	first, given := max(s.tat, now-credit, s.held), want
	if s.reset > first {
		if s.left <= 0 {
			first = s.reset
		} else {
			given = min(given, s.left)
		}
	}
	if first-now > patience {
		given = 0
	}
	if given > 0 {
		s.tat = first + (given*interval+999)/1000
		if s.reset > first {
			s.left -= given
		}
	}
	s.seen = now
	s.replicas[args[4]] = now
	for id, at := range s.replicas {
		if at <= now-number(6) {
			delete(s.replicas, id)
		}
	}
	return []any{given, first - now, s.tat, int64(len(s.replicas)), max(0, s.held-now)}
}

func newLimiter(t testing.TB, f *fakeRedis, c redislimit.Config) *redislimit.Limiter {
	t.Helper()
	if c.Eval == nil {
		c.Eval = f.Eval
	}
	l, err := redislimit.New(c)
	require.NoError(t, err)
	return l
}

// turns waits n times for key, one after the other, and returns when the turns
// came, counted from the call.
func turns(t *testing.T, l *redislimit.Limiter, key string, n int) []time.Duration {
	t.Helper()
	begin := time.Now()
	var at []time.Duration
	for range n {
		require.NoError(t, l.Wait(t.Context(), key))
		at = append(at, time.Since(begin))
	}
	return at
}

// ledger notes when requests were let through.
type ledger struct {
	mu sync.Mutex
	at []time.Time
}

func (l *ledger) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Now())
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.at)
}

// busiest is the largest number of requests within any window of that length.
func (l *ledger) busiest(window time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	most, first := 0, 0
	for i, at := range l.at {
		for at.Sub(l.at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// crowd runs workers on each limiter, each of which waits for key again and
// again until the time is over. It returns the errors other than that.
func crowd(t *testing.T, limiters []*redislimit.Limiter, workers int, d time.Duration, l *ledger) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, limiter := range limiters {
		for range workers {
			wg.Go(func() {
				for {
					err := limiter.Wait(ctx, "key")
					if errors.Is(err, context.DeadlineExceeded) {
						return
					}
					if err != nil {
						mu.Lock()
						errs = append(errs, err)
						mu.Unlock()
						return
					}
					l.note()
					time.Sleep(ms) // the request itself
				}
			})
		}
	}
	wg.Wait()
	return errs
}

var errGone = errors.New("the caller has gone")

// cancelAfter returns a context that ends after d, without a deadline that
// could be seen before.
func cancelAfter(t *testing.T, d time.Duration) (context.Context, func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(d, func() { cancel(errGone) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}
