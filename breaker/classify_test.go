package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// Of all statuses, five say that a server is not well.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	failures := []int{500, 502, 503, 504, 529}
	for status := 100; status < 600; status++ {
		b := newBreaker(t, one)
		require.NoError(t, call(b.Wrap(rttest.NewScript(rttest.Step{Status: status, Body: "answer"})), newRequest(t, host)))
		require.Equal(t, slices.Contains(failures, status), b.Ready(newRequest(t, host)) != nil, strconv.Itoa(status))
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	errBug := errors.New("my own bug")
	verdicts := map[error]breaker.Verdict{
		errBroken: breaker.Failure, errBug: breaker.Neither, http.ErrBodyNotAllowed: breaker.Success, http.ErrLineTooLong: breaker.Verdict(99),
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		step  rttest.Step
		ctx   context.Context
		asked bool
		want  breaker.Counts
	}{
		"failure":            {rttest.Step{Err: errBroken}, nil, true, breaker.Counts{Failures: 1, Consecutive: 1}},
		"by default":         {rttest.Step{Err: http.ErrAbortHandler}, nil, true, breaker.Counts{Failures: 1, Consecutive: 1}},
		"no verdict at all":  {rttest.Step{Err: http.ErrLineTooLong}, nil, true, breaker.Counts{Failures: 1, Consecutive: 1}},
		"neither":            {rttest.Step{Err: errBug}, nil, true, breaker.Counts{}},
		"success":            {rttest.Step{Err: http.ErrBodyNotAllowed}, nil, true, breaker.Counts{Successes: 1}},
		"of a body":          {rttest.Step{Body: "half", Cut: true}, nil, true, breaker.Counts{}},
		"caller has gone":    {rttest.Step{Err: errBroken}, canceled, false, breaker.Counts{}},
		"was not sent":       {rttest.Step{Err: notSent{}}, nil, false, breaker.Counts{}},
		"no error":           {rttest.Step{Body: "good"}, nil, false, breaker.Counts{Successes: 1}},
		"status is no error": {rttest.Step{Status: 503}, nil, false, breaker.Counts{Failures: 1, Consecutive: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := false
			b := newBreaker(t, breaker.Config{Classify: func(err error) breaker.Verdict {
				asked = true
				if errors.Is(err, rttest.ErrCut) {
					return breaker.Neither
				}
				return verdicts[err]
			}})
			req := newRequest(t, host)
			if tt.ctx != nil {
				req = req.WithContext(tt.ctx)
			}
			_ = call(b.Wrap(rttest.NewScript(tt.step)), req)
			require.Equal(t, tt.asked, asked)
			require.Equal(t, tt.want, b.Snapshot()[0].Counts)
		})
	}
}

// What Check says of an answer is an error like any other, so that a status
// which is a failure by default can be none.
func TestClassifyOfCheck(t *testing.T) {
	t.Parallel()
	errMine, errDegraded, errUnknown := errors.New("my own bug"), errors.New("degraded, but well"), errors.New("whatever")
	verdicts := map[error]breaker.Verdict{errMine: breaker.Neither, errDegraded: breaker.Success, errBroken: breaker.Failure}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	failed := breaker.Counts{Failures: 1, Consecutive: 1}
	for name, tt := range map[string]struct {
		step  rttest.Step
		check error
		ctx   context.Context
		want  breaker.Counts
	}{
		"neither":             {rttest.Step{Status: 500, Body: "answer"}, errMine, nil, breaker.Counts{}},
		"neither, cut":        {rttest.Step{Status: 500, Body: "half", Cut: true}, errMine, nil, breaker.Counts{}},
		"success":             {rttest.Step{Status: 500, Body: "answer"}, errDegraded, nil, breaker.Counts{Successes: 1}},
		"success, no body":    {rttest.Step{Status: 500}, errDegraded, nil, breaker.Counts{Successes: 1}},
		"success, cut":        {rttest.Step{Status: 500, Body: "half", Cut: true}, errDegraded, nil, failed},
		"failure":             {rttest.Step{Status: 200, Body: "answer"}, errBroken, nil, failed},
		"by default":          {rttest.Step{Status: 200, Body: "answer"}, errUnknown, nil, failed},
		"caller has gone":     {rttest.Step{Status: 200, Body: "answer"}, errBroken, canceled, failed},
		"nothing to say":      {rttest.Step{Status: 500, Body: "answer"}, nil, nil, failed},
		"nothing to say, 404": {rttest.Step{Status: 404, Body: "answer"}, nil, nil, breaker.Counts{Successes: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t, breaker.Config{
				Check:    func(*http.Response) error { return tt.check },
				Classify: func(err error) breaker.Verdict { return verdicts[err] },
			})
			req := newRequest(t, host)
			if tt.ctx != nil {
				req = req.WithContext(tt.ctx)
			}
			resp, err := b.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
				return rttest.NewScript(tt.step).RoundTrip(req.WithContext(context.Background()))
			})).RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, tt.step.Status, resp.StatusCode)
			_ = readAll(resp)
			require.Equal(t, tt.want, b.Snapshot()[0].Counts)
		})
	}
}

// A probe whose answer says nothing leaves its place to the next.
func TestClassifyOfCheckInProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errMine := errors.New("my own bug")
		c := one
		c.Check = func(resp *http.Response) error {
			if resp.StatusCode == http.StatusInternalServerError {
				return errMine
			}
			return nil
		}
		c.Classify = func(err error) breaker.Verdict {
			if errors.Is(err, errMine) {
				return breaker.Neither
			}
			return breaker.ByDefault
		}
		b := newBreaker(t, c)
		trip(t, b, host)
		time.Sleep(breaker.DefaultOpenTimeout * 2)
		for range 3 {
			require.NoError(t, call(b.Wrap(rttest.NewScript(rttest.Step{Status: 500, Body: "answer"})), newRequest(t, host)))
			require.Equal(t, breaker.HalfOpen, b.Snapshot()[0].State)
		}
		require.NoError(t, call(b.Wrap(rttest.NewScript(rttest.Step{Body: "answer"})), newRequest(t, host)))
		require.Equal(t, breaker.Closed, b.Snapshot()[0].State)
	})
}

func TestClassifyOfDo(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, breaker.Config{Classify: func(err error) breaker.Verdict {
		switch {
		case errors.Is(err, errBroken):
			panic(err)
		case errors.Is(err, http.ErrNoCookie):
			return breaker.Success
		}
		return breaker.Neither
	}})
	do := func(err error) error {
		return b.Do(t.Context(), "queue", func(context.Context) error { return err })
	}
	require.ErrorIs(t, do(http.ErrNoCookie), http.ErrNoCookie)
	require.ErrorIs(t, do(http.ErrNoLocation), http.ErrNoLocation)
	require.Equal(t, breaker.Counts{Successes: 1}, b.Snapshot()[0].Counts)
	require.PanicsWithValue(t, errBroken, func() { _ = do(errBroken) })
	require.Equal(t, breaker.Counts{Successes: 1, Failures: 1, Consecutive: 1}, b.Snapshot()[0].Counts)
}

// The time limit of an attempt is the server's failure, the caller's is nobody's.
func TestWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caller, attempt time.Duration
		want            int
	}{
		"the attempt's": {time.Hour, time.Second, 1},
		"the caller's":  {time.Second, time.Hour, 0},
		"nobody's":      {time.Hour, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{})
				rt := b.Wrap(retry.AttemptTimeout(tt.attempt)(rttest.NewScript(rttest.Step{Wait: time.Minute})))
				ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
				defer cancel()
				_ = call(rt, newRequest(t, host).WithContext(ctx))
				require.Equal(t, tt.want, b.Snapshot()[0].Failures)
			})
		})
	}
}

// A refusal of a breaker below says nothing about the upstream of this one.
func TestRefusalsBelowDoNotCount(t *testing.T) {
	t.Parallel()
	inner, outer := newBreaker(t, one), newBreaker(t, one)
	trip(t, inner, host)
	rt := outer.Wrap(inner.Wrap(rttest.NewScript()))
	for range 20 {
		require.ErrorIs(t, call(rt, newRequest(t, host)), breaker.ErrOpen)
	}
	require.Zero(t, outer.Snapshot()[0].Counts)
	err := outer.Do(t.Context(), "both", func(context.Context) error {
		return fmt.Errorf("wrapped: %w", call(inner.Wrap(nil), newRequest(t, host)))
	})
	require.ErrorIs(t, err, breaker.ErrOpen)
	require.Zero(t, outer.Snapshot()[0].Counts)
}

// A server that retries below could not even connect to has seen nothing of the
// call, as if they had been refused. It is dead all the same.
func TestRetriesBelowThatNeverConnect(t *testing.T) {
	t.Parallel()
	dial := rttest.Step{Err: &net.OpError{Op: "dial", Net: "tcp", Err: errBroken}}
	limit := rttest.Step{Err: notSent{}}
	for name, tt := range map[string]struct {
		steps []rttest.Step
		want  breaker.Counts
	}{
		"no connection":         {[]rttest.Step{dial}, breaker.Counts{Failures: 2, Consecutive: 2}},
		"refused in the end":    {[]rttest.Step{dial, limit}, breaker.Counts{Failures: 1, Consecutive: 1}},
		"refused":               {[]rttest.Step{limit}, breaker.Counts{}},
		"no connection at last": {[]rttest.Step{limit, dial}, breaker.Counts{Failures: 2, Consecutive: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy, err := retry.New(retry.Config{})
				require.NoError(t, err)
				b := newBreaker(t, breaker.Config{})
				rt := policy.Wrap(rttest.NewScript(tt.steps...))
				require.Error(t, call(b.Wrap(rt), newRequest(t, host)))
				require.Error(t, b.Do(t.Context(), origin, func(context.Context) error { return call(rt, newRequest(t, host)) }))
				require.Equal(t, tt.want, b.Snapshot()[0].Counts)
			})
		})
	}
}
