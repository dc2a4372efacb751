package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

var errBroken = errors.New("connection broken")

func newRequest(t testing.TB, host string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v1/things", nil)
	require.NoError(t, err)
	return req
}

// call sends one request, reads the answer and returns what went wrong.
func call(rt http.RoundTripper, req *http.Request) error {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	return readAll(resp)
}

func readAll(resp *http.Response) error {
	_, err := io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// trip fails calls until the circuit of host opens.
func trip(t *testing.T, b *breaker.Breaker, host string) {
	t.Helper()
	rt := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
	for range 1000 {
		if errors.Is(call(rt, newRequest(t, host)), breaker.ErrOpen) {
			return
		}
	}
	t.Fatal("the circuit did not open")
}

// one opens after one failure, for a second.
var one = breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Second, MaxOpenTimeout: time.Second, Jitter: -1}

const host = "api.example.com"

func TestWhatCounts(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	check := func(resp *http.Response) error {
		if resp.Header.Get("X-Error") != "" {
			return errBroken
		}
		return nil
	}
	for name, tt := range map[string]struct {
		step  rttest.Step
		ctx   context.Context
		opens bool
	}{
		"200":                 {step: rttest.Step{Body: "good"}},
		"204":                 {step: rttest.Step{Status: 204}},
		"404":                 {step: rttest.Step{Status: 404}},
		"429":                 {step: rttest.Step{Status: 429}},
		"499":                 {step: rttest.Step{Status: 499}},
		"500":                 {step: rttest.Step{Status: 500}, opens: true},
		"503":                 {step: rttest.Step{Status: 503, Body: "sorry"}, opens: true},
		"529":                 {step: rttest.Step{Status: 529}, opens: true},
		"transport error":     {step: rttest.Step{Err: errBroken}, opens: true},
		"cut body":            {step: rttest.Step{Body: "half an ans", Cut: true}, opens: true},
		"Check says so":       {step: rttest.Step{Body: "errors", Header: []string{"X-Error", "1"}}, opens: true},
		"cancelled caller":    {step: rttest.Step{Err: errBroken}, ctx: canceled},
		"not sent from below": {step: rttest.Step{Err: fmt.Errorf("limiter: %w", notSent{})}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := one
			c.Check = check
			b := newBreaker(t, c)
			req := newRequest(t, host)
			if tt.ctx != nil {
				req = req.WithContext(tt.ctx)
			}
			_ = call(b.Wrap(rttest.NewScript(tt.step)), req)
			err := call(b.Wrap(rttest.NewScript()), newRequest(t, host))
			require.Equal(t, tt.opens, errors.Is(err, breaker.ErrOpen))
			require.Equal(t, tt.opens, b.Ready(newRequest(t, host)) != nil)
		})
	}
}

type notSent struct{}

func (notSent) Error() string { return "not sent" }
func (notSent) NotSent() bool { return true }

// A caller who goes away in the middle of a body says nothing about the server.
func TestCancelledReadCountsAsNothing(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "answer"})).RoundTrip(newRequest(t, host).WithContext(ctx))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, b.Ready(newRequest(t, host)))
}

func TestConsecutiveFailures(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 3, FailureRatio: -1})
	bad, good := rttest.NewScript(rttest.Step{Err: errBroken}), rttest.NewScript()
	for range 5 {
		require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), errBroken)
		require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), errBroken)
		require.NoError(t, call(b.Wrap(good), newRequest(t, host)), "a success starts the count anew")
	}
	for range 3 {
		require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), errBroken)
	}
	require.ErrorIs(t, call(b.Wrap(bad), newRequest(t, host)), breaker.ErrOpen)
	require.Len(t, bad.Calls(), 13)
}

func TestFailureRatio(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config breaker.Config
		// calls in order: + good, - bad, . a tenth of the window passes
		calls string
		opens bool
	}{
		"too few calls":          {breaker.Config{MinCalls: 10}, "---------", false},
		"enough, all bad":        {breaker.Config{MinCalls: 10}, "----------", true},
		"half bad":               {breaker.Config{MinCalls: 10}, "+-+-+-+-+-", true},
		"less than half bad":     {breaker.Config{MinCalls: 10}, "++-+-+-+-+-", false},
		"a tenth is enough":      {breaker.Config{MinCalls: 10, FailureRatio: 0.1}, "+++++++++-", true},
		"all of them":            {breaker.Config{MinCalls: 4, FailureRatio: 1}, "+--------", false},
		"old failures forgotten": {breaker.Config{MinCalls: 4}, "---...........+---", true},
		"old successes too":      {breaker.Config{MinCalls: 4}, "++++++++...........----", true},
		"still in the window":    {breaker.Config{MinCalls: 4}, "++++++++....----", false},
		"ratio off":              {breaker.Config{MinCalls: 1, FailureRatio: -1, ConsecutiveFailures: 50}, "-----------------", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.config.ConsecutiveFailures == 0 {
					tt.config.ConsecutiveFailures = -1
				}
				b := newBreaker(t, tt.config)
				for i, c := range tt.calls {
					switch c {
					case '+':
						require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), i)
					case '-':
						require.ErrorIs(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)), errBroken, i)
					case '.':
						time.Sleep(breaker.DefaultWindow / 10)
					}
				}
				require.Equal(t, tt.opens, b.Ready(newRequest(t, host)) != nil)
			})
		})
	}
}

func TestOpenRefusesUntilItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: 5 * time.Second, Jitter: -1})
		s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{Body: "back"})
		rt := b.Wrap(s)
		require.ErrorIs(t, call(rt, newRequest(t, host)), errBroken)
		time.Sleep(2 * time.Second)

		body := rttest.NewBody("payload")
		req := newRequest(t, host)
		req.Body = body
		err := call(rt, req)
		var e *breaker.OpenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "https://api.example.com", e.Key)
		require.Equal(t, breaker.Open, e.State)
		require.Equal(t, 3*time.Second+1, e.RetryAfter())
		require.True(t, e.NotSent())
		require.True(t, e.Retryable())
		require.EqualError(t, err, "breaker: circuit of https://api.example.com is open, next probe in 3s")
		require.Equal(t, 1, body.Closes())
		require.Zero(t, body.BytesRead())
		require.Len(t, s.Calls(), 1, "nothing was sent")
		require.Equal(t, e, b.Ready(newRequest(t, host)))
		require.NoError(t, b.Ready(newRequest(t, "other.example.com")))

		time.Sleep(e.RetryAfter())
		require.NoError(t, b.Ready(newRequest(t, host)))
		require.NoError(t, call(rt, newRequest(t, host)), "who waits as long as he was told gets through")
		require.NoError(t, call(rt, newRequest(t, host)), "and the circuit is closed")
	})
}

func TestFailedProbeOpensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		trip(t, b, host)
		for range 3 {
			time.Sleep(time.Second + 1)
			s := rttest.NewScript(rttest.Step{Status: 503})
			require.NoError(t, call(b.Wrap(s), newRequest(t, host)))
			require.ErrorIs(t, call(b.Wrap(s), newRequest(t, host)), breaker.ErrOpen)
			require.Len(t, s.Calls(), 1)
		}
	})
}

func TestProbesAreBounded(t *testing.T) {
	t.Parallel()
	for probes := range 4 {
		synctest.Test(t, func(t *testing.T) {
			c := one
			c.Probes = probes
			want := max(probes, breaker.DefaultProbes)
			b := newBreaker(t, c)
			trip(t, b, host)
			time.Sleep(time.Second + 1)
			s := rttest.NewScript(rttest.Step{Wait: 100 * time.Millisecond})
			var refused atomic.Int64
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					err := call(b.Wrap(s), newRequest(t, host))
					var e *breaker.OpenError
					if errors.As(err, &e) && e.State == breaker.HalfOpen && e.RetryAfter() == 0 {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
			var e *breaker.OpenError
			require.ErrorAs(t, b.Ready(newRequest(t, host)), &e)
			require.Equal(t, breaker.HalfOpen, e.State)
			require.EqualError(t, e, "breaker: circuit of https://api.example.com is half-open and its probes are under way")
			wg.Wait()
			require.Len(t, s.Calls(), want)
			require.EqualValues(t, 1000-want, refused.Load())
			require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), "closed")
		})
	}
}

// A probe that is never heard of again gives its place back.
func TestProbeLease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		probe func(t *testing.T, b *breaker.Breaker)
		state breaker.State // after the lease
	}{
		"body never closed": {func(t *testing.T, b *breaker.Breaker) {
			resp, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "unread"})).RoundTrip(newRequest(t, host))
			require.NoError(t, err)
			require.NotNil(t, resp)
		}, breaker.HalfOpen},
		"hangs": {func(t *testing.T, b *breaker.Breaker) {
			go func() { _ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour})), newRequest(t, host)) }()
		}, breaker.Open},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.ProbeLease = 10 * time.Second
				b := newBreaker(t, c)
				trip(t, b, host)
				time.Sleep(time.Second + 1)
				tt.probe(t, b)
				synctest.Wait()
				require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen)
				time.Sleep(10*time.Second - 1)
				require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				require.Equal(t, tt.state, b.Snapshot()[0].State)
				require.Equal(t, tt.state == breaker.Open, b.Ready(newRequest(t, host)) != nil)
				time.Sleep(time.Second + 1)
				require.NoError(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)))
				require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
				time.Sleep(2 * time.Hour)
				require.NoError(t, b.Ready(newRequest(t, host)), "its late end changes nothing")
			})
		})
	}
}

// A hook that panics at the end of a lease would end the process: it is told
// with the next call, on a goroutine that somebody can recover.
func TestLeaseTellsHookWithNextCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		var told []breaker.State
		c.Hooks.StateChange = func(change breaker.Change) { told = append(told, change.To) }
		b := newBreaker(t, c)
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		go func() { _ = call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Hour})), newRequest(t, host)) }()
		time.Sleep(breaker.DefaultProbeLease)
		synctest.Wait()
		require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen}, told)
		require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen)
		require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Open}, told)
	})
}

// Failures in a row open the circuit however long the time between them.
func TestFailuresNowAndThen(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{4 * time.Second, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, breaker.Config{})
			bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
			for range breaker.DefaultConsecutiveFailures {
				require.ErrorIs(t, call(bad, newRequest(t, host)), errBroken)
				time.Sleep(pause)
			}
			require.Equal(t, breaker.Open, b.Snapshot()[0].State)
		})
	}
}

// The end of an old call does not make anybody ask before the time.
func TestLateAnswerDoesNotHurryTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, OpenTimeout: time.Second, Jitter: -1})
		old, err := b.Wrap(rttest.NewScript(rttest.Step{Body: "slow"})).RoundTrip(newRequest(t, host))
		require.NoError(t, err)
		s := rttest.NewScript(rttest.Step{Status: 503, Header: []string{"Retry-After", "60"}}, rttest.Step{})
		require.NoError(t, call(b.Wrap(s), newRequest(t, host)))
		time.Sleep(6 * time.Second)
		require.NoError(t, old.Body.Close())
		require.ErrorIs(t, call(b.Wrap(s), newRequest(t, host)), breaker.ErrOpen)
		require.Len(t, s.Calls(), 1)
		require.Equal(t, breaker.Open, b.Snapshot()[0].State)
	})
}

// Circuits of hosts that are dead, and that nobody asks any more, do not take
// the place of those that are in use.
func TestDeadCircuitsMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := one
		c.MaxKeys = 10
		b := newBreaker(t, c)
		for i := range 10 {
			trip(t, b, fmt.Sprintf("dead%d.example.com", i))
		}
		time.Sleep(365 * 24 * time.Hour)
		refused := 0
		bad := b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))
		for i := range 200 {
			if errors.Is(call(bad, newRequest(t, fmt.Sprintf("live%d.example.com", i%2))), breaker.ErrOpen) {
				refused++
			}
		}
		require.Greater(t, refused, 150)
	})
}

// A call from before the trip that ends after it must not move the new state.
func TestLateAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, one)
		late := make(chan error)
		go func() {
			late <- call(b.Wrap(rttest.NewScript(rttest.Step{Wait: 1500 * time.Millisecond})), newRequest(t, host))
		}()
		synctest.Wait()
		trip(t, b, host)
		time.Sleep(time.Second + 1)
		probe := make(chan error)
		go func() {
			probe <- call(b.Wrap(rttest.NewScript(rttest.Step{Wait: time.Second, Status: 503})), newRequest(t, host))
		}()
		require.NoError(t, <-late)
		require.ErrorIs(t, call(b.Wrap(rttest.NewScript()), newRequest(t, host)), breaker.ErrOpen, "still half-open")
		require.NoError(t, <-probe)
		require.Error(t, b.Ready(newRequest(t, host)), "the probe's failure counts")
	})
}

func TestPanicIsAFailure(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	rt := b.Wrap(rttest.NewScript(rttest.Step{Panic: http.ErrAbortHandler}))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { _ = call(rt, newRequest(t, host)) })
	require.ErrorIs(t, call(rt, newRequest(t, host)), breaker.ErrOpen)
}

func TestGoexitIsAFailure(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	rt := b.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
		runtime.Goexit()
		return nil, errBroken
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = call(rt, newRequest(t, host))
	}()
	<-done
	require.Error(t, b.Ready(newRequest(t, host)))
}

func TestHooksMayUseTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var changes []breaker.Change
		refused := 0
		good := rttest.NewScript()
		c := one
		c.Hooks = breaker.Hooks{
			StateChange: func(change breaker.Change) {
				changes = append(changes, change)
				_ = b.Ready(newRequest(t, host))
				_ = call(b.Wrap(good), newRequest(t, host))
			},
			Refused: func(e *breaker.OpenError) {
				refused++
				require.ErrorIs(t, b.Ready(newRequest(t, host)), breaker.ErrOpen)
			},
		}
		b = newBreaker(t, c)
		opened := time.Now()
		require.ErrorIs(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), newRequest(t, host)), errBroken)
		require.Equal(t, 1, refused, "the hook's own call")
		time.Sleep(time.Second + 1)
		require.NoError(t, call(b.Wrap(good), newRequest(t, host)))
		key := "https://api.example.com"
		require.Len(t, changes, 3)
		require.Equal(t, breaker.Change{Key: key, From: breaker.Closed, To: breaker.Open, Reason: "failures in a row: 1", Until: changes[0].Until}, changes[0])
		require.WithinDuration(t, opened.Add(time.Second), changes[0].Until, time.Microsecond)
		require.Equal(t, breaker.Change{Key: key, From: breaker.Open, To: breaker.HalfOpen, Reason: "time for a probe"}, changes[1])
		require.Equal(t, breaker.Change{Key: key, From: breaker.HalfOpen, To: breaker.Closed, Reason: "the probes succeeded"}, changes[2])
	})
}

func TestChangesArriveInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		state := breaker.Closed
		c := one
		c.OpenTimeout = time.Millisecond
		c.Hooks.StateChange = func(change breaker.Change) {
			mu.Lock()
			defer mu.Unlock()
			if change.From != state {
				t.Errorf("from %v to %v, but it was %v", change.From, change.To, state)
			}
			state = change.To
		}
		b := newBreaker(t, c)
		s := rttest.NewScript(rttest.Step{Wait: 100 * time.Microsecond, Err: errBroken}, rttest.Step{}, rttest.Step{Status: 503}, rttest.Step{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 200 {
					_ = call(b.Wrap(s), newRequest(t, host))
					time.Sleep(300 * time.Microsecond)
				}
			})
		}
		wg.Wait()
	})
}

func TestOpenShowsThroughClient(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	trip(t, b, host)
	client := &http.Client{Transport: b.Wrap(rttest.NewScript())}
	resp, err := client.Do(newRequest(t, host))
	if err == nil {
		_ = resp.Body.Close()
	}
	var e *url.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, breaker.ErrOpen)
}

func TestKey(t *testing.T) {
	t.Parallel()
	c := one
	c.Key = func(req *http.Request) string { return req.URL.Query().Get("tenant") }
	b := newBreaker(t, c)
	request := func(tenant string) *http.Request {
		req := newRequest(t, host)
		req.URL.RawQuery = "tenant=" + tenant
		return req
	}
	require.Error(t, call(b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), request("a")))
	var e *breaker.OpenError
	require.ErrorAs(t, call(b.Wrap(rttest.NewScript()), request("a")), &e)
	require.Equal(t, "a", e.Key)
	require.NoError(t, call(b.Wrap(rttest.NewScript()), request("b")))
}

// However many keys there are, open circuits are not forgotten for closed ones.
func TestOpenCircuitOutlivesManyKeys(t *testing.T) {
	t.Parallel()
	c := one
	c.MaxKeys, c.OpenTimeout = 100, time.Hour
	b := newBreaker(t, c)
	trip(t, b, host)
	good := b.Wrap(rttest.NewScript())
	for i := range 10_000 {
		require.NoError(t, call(good, newRequest(t, fmt.Sprintf("host%d.example.com", i))))
	}
	require.ErrorIs(t, b.Ready(newRequest(t, host)), breaker.ErrOpen)
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	_, err := breaker.New(breaker.Config{
		FailureRatio: 1.5, MinCalls: -1, Window: time.Millisecond, OpenTimeout: -1,
		MaxOpenTimeout: -2, Jitter: 1.5, MaxRetryAfter: math.MaxInt64,
		Probes: -3, ProbeLease: -time.Second, MaxKeys: -1,
	})
	require.EqualError(t, err, strings.Join([]string{
		"breaker: Config.FailureRatio is 1.5: must be at most 1",
		"breaker: Config.MinCalls is -1: must not be negative",
		"breaker: Config.Window is 1ms: must be between 10ms and a year",
		"breaker: Config.OpenTimeout is -1ns: must be between 0 and a year",
		"breaker: Config.MaxOpenTimeout is -2ns: must be between 0 and a year",
		"breaker: Config.Jitter is 1.5: must be at most 1",
		"breaker: Config.MaxRetryAfter is 2562047h47m16.854775807s: must be at most a year",
		"breaker: Config.Probes is -3: must be between 0 and 1000000",
		"breaker: Config.ProbeLease is -1s: must be between 0 and a year",
		"breaker: Config.MaxKeys is -1: must not be negative",
	}, "\n"))
	_, err = breaker.New(breaker.Config{FailureRatio: math.NaN()})
	require.Error(t, err)
	_, err = breaker.New(breaker.Config{FailureRatio: -1, ConsecutiveFailures: -1})
	require.EqualError(t, err, "breaker: Config.FailureRatio is -1: must not be off when all other rules are off too")
}

func TestStateString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "closed half-open open unknown",
		fmt.Sprint(breaker.Closed, " ", breaker.HalfOpen, " ", breaker.Open, " ", breaker.State(9)))
}

func TestNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newBreaker(t, breaker.Config{}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func TestHappyPathAllocations(t *testing.T) {
	body := rttest.NewBody("")
	resp := &http.Response{StatusCode: http.StatusOK}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newBreaker(t, breaker.Config{}).Wrap(next)
	req := newRequest(t, host)
	for name, tt := range map[string]struct {
		body io.ReadCloser
		want float64
	}{
		"without a body":              {http.NoBody, 0},
		"with a body: to see its end": {body, 1},
	} {
		got := testing.AllocsPerRun(100, func() {
			resp.Body = tt.body
			got, _ := rt.RoundTrip(req)
			_ = got.Body.Close()
		})
		require.Equal(t, tt.want, got, name)
	}
}
