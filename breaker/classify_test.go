package breaker_test

import (
	"context"
	"errors"
	"fmt"
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
