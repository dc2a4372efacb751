package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

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
		"caller out of time":  {step: rttest.Step{Err: errBroken}, ctx: rttest.LateContext(context.Background())},
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
		"too few calls":      {breaker.Config{MinCalls: 10}, "---------", false},
		"enough, all bad":    {breaker.Config{MinCalls: 10}, "----------", true},
		"half bad":           {breaker.Config{MinCalls: 10}, "+-+-+-+-+-", true},
		"less than half bad": {breaker.Config{MinCalls: 10}, "++-+-+-+-+-", false},
		"a tenth is enough":  {breaker.Config{MinCalls: 10, FailureRatio: 0.1}, "+++++++++-", true},
		// 0.28*25 is a little more than 7 in floating point.
		"exactly a decimal share": {breaker.Config{MinCalls: 25, FailureRatio: 0.28}, "++++++++++++++++++-------", true},
		"just less than it":       {breaker.Config{MinCalls: 25, FailureRatio: 0.28}, "+++++++++++++++++++------", false},
		"all of them":             {breaker.Config{MinCalls: 4, FailureRatio: 1}, "+--------", false},
		"old failures forgotten":  {breaker.Config{MinCalls: 4}, "---...........+---", true},
		"old successes too":       {breaker.Config{MinCalls: 4}, "++++++++...........----", true},
		"still in the window":     {breaker.Config{MinCalls: 4}, "++++++++....----", false},
		"ratio off":               {breaker.Config{MinCalls: 1, FailureRatio: -1, ConsecutiveFailures: 50}, "-----------------", false},
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

// A transport that returns nothing at all is broken, and http.Client says so.
func TestNoResponseIsAFailure(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, one)
	resp, err := b.Wrap(prompt(nil)).RoundTrip(newRequest(t, host))
	require.NoError(t, err)
	require.Nil(t, resp)
	require.ErrorIs(t, b.Ready(newRequest(t, host)), breaker.ErrOpen)
}
