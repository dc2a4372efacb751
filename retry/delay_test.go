package retry_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// waits returns the pauses between the calls.
func waits(calls []rttest.Call) []time.Duration {
	var d []time.Duration
	for i := 1; i < len(calls); i++ {
		d = append(d, calls[i].At.Sub(calls[i-1].At))
	}
	return d
}

func TestScheduleIsObeyedAndClamped(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		schedule []time.Duration
		maxDelay time.Duration
		want     []time.Duration
	}{
		"as given":       {[]time.Duration{time.Second, 3 * time.Second}, 0, []time.Duration{time.Second, 3 * time.Second}},
		"huge":           {[]time.Duration{math.MaxInt64}, 0, []time.Duration{retry.DefaultMaxDelay}},
		"over MaxDelay":  {[]time.Duration{time.Minute}, time.Second, []time.Duration{time.Second}},
		"under MaxDelay": {[]time.Duration{time.Minute}, time.Hour, []time.Duration{time.Minute}},
		"negative":       {[]time.Duration{-time.Second, math.MinInt64}, 0, []time.Duration{0, 0}},
		"stop":           {[]time.Duration{time.Second, backoff.Stop}, 0, []time.Duration{time.Second}},
		"stop at once":   {[]time.Duration{backoff.Stop}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(rttest.Step{Status: 503, Body: "x"})
				c := retry.Config{
					MaxAttempts: len(tt.schedule) + 1, MaxDelay: tt.maxDelay,
					Backoff: func() backoff.BackOff { return &scripted{delays: tt.schedule} },
				}
				resp, err := roundTrip(t, c, s, newRequest(t, http.MethodGet, nil))
				require.NoError(t, err)
				require.Equal(t, 503, resp.StatusCode)
				require.Equal(t, tt.want, waits(s.Calls()))
			})
		})
	}
}

type scripted struct{ delays []time.Duration }

func (s *scripted) Reset() {}

func (s *scripted) NextBackOff() time.Duration {
	d := s.delays[0]
	s.delays = s.delays[1:]
	return d
}

func TestNilScheduleEndsTheCall(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(rttest.Step{Status: 503})
	c := retry.Config{Backoff: func() backoff.BackOff { return nil }}
	resp, err := roundTrip(t, c, s, newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Len(t, s.Calls(), 1)
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	const initial, longest, runs = 100 * time.Millisecond, time.Second, 4000
	doubling := []time.Duration{initial, 2 * initial, 4 * initial, 8 * initial, longest, longest}
	half := make([]time.Duration, len(doubling))
	for i, d := range doubling {
		half[i] = d / 2
	}
	for name, tt := range map[string]struct {
		factory      func() backoff.BackOff
		lower, upper []time.Duration
	}{
		"full jitter":  {retry.FullJitter(initial, longest), make([]time.Duration, len(doubling)), doubling},
		"equal jitter": {retry.EqualJitter(initial, longest), half, doubling},
		"decorrelated": {
			retry.DecorrelatedJitter(initial, longest),
			slices.Repeat([]time.Duration{initial}, 4),
			[]time.Duration{3 * initial, 9 * initial, longest, longest},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make([][]time.Duration, len(tt.upper))
			for range runs {
				b := tt.factory()
				b.Reset()
				for i := range seen {
					seen[i] = append(seen[i], b.NextBackOff())
				}
			}
			for i, delays := range seen {
				width := tt.upper[i] - tt.lower[i]
				require.GreaterOrEqual(t, slices.Min(delays), tt.lower[i]-2)
				require.LessOrEqual(t, slices.Max(delays), tt.upper[i]+2)
				// Thousands of draws leave neither end empty.
				require.Less(t, slices.Min(delays), tt.lower[i]+width/5)
				require.Greater(t, slices.Max(delays), tt.upper[i]-width/5)
			}
		})
	}
}

func TestSchedulesWithOddArguments(t *testing.T) {
	t.Parallel()
	for _, factory := range []func(initial, longest time.Duration) func() backoff.BackOff{
		retry.FullJitter, retry.EqualJitter, retry.DecorrelatedJitter,
	} {
		for _, tt := range []struct{ initial, longest, upper time.Duration }{
			{0, 0, 100 * time.Millisecond},
			{-time.Second, -time.Second, 100 * time.Millisecond},
			{time.Second, time.Millisecond, time.Second},
			{1, 1, 1},
			{math.MaxInt64, math.MaxInt64, math.MaxInt64},
		} {
			b := factory(tt.initial, tt.longest)()
			for range 100 {
				d := b.NextBackOff()
				require.GreaterOrEqual(t, d, time.Duration(0))
				require.LessOrEqual(t, d-2, tt.upper)
			}
		}
	}
	require.Equal(t, time.Second, retry.Constant(time.Second)().NextBackOff())
	require.Zero(t, retry.Constant(-1)().NextBackOff())
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		value    string
		config   retry.Config
		schedule time.Duration
		want     []time.Duration // none: the answer is returned
	}{
		"seconds":                {value: "7", want: []time.Duration{7 * time.Second}},
		"date":                   {value: "Sat, 01 Jan 2000 00:00:09 GMT", want: []time.Duration{9 * time.Second}},
		"jitter only adds":       {value: "7", schedule: time.Second, want: []time.Duration{8 * time.Second}},
		"jitter adds no more":    {value: "1", schedule: 9 * time.Second, want: []time.Duration{2 * time.Second}},
		"zero is no wish":        {value: "0", schedule: time.Second, want: []time.Duration{time.Second}},
		"past is no wish":        {value: "Fri, 31 Dec 1999 00:00:09 GMT", schedule: time.Second, want: []time.Duration{time.Second}},
		"unreadable":             {value: "soon", schedule: time.Second, want: []time.Duration{time.Second}},
		"negative":               {value: "-7", schedule: time.Second, want: []time.Duration{time.Second}},
		"at the cap":             {value: "60", want: []time.Duration{time.Minute}},
		"beyond the cap":         {value: "61"},
		"overflow":               {value: "9223372036854775807"},
		"beyond a cap of mine":   {value: "2", config: retry.Config{MaxRetryAfter: time.Second}},
		"ignored":                {value: "3600", config: retry.Config{MaxRetryAfter: -1}, schedule: time.Second, want: []time.Duration{time.Second}},
		"longer than the delays": {value: "50", config: retry.Config{MaxDelay: time.Second}, want: []time.Duration{50 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // whose clock begins at 2000-01-01 00:00 UTC
				s := rttest.NewScript(rttest.Step{Status: 429, Body: "slow down", Header: []string{"Retry-After", tt.value}}, rttest.Step{})
				tt.config.Backoff = retry.Constant(tt.schedule)
				resp, err := roundTrip(t, tt.config, s, newRequest(t, http.MethodGet, nil))
				require.NoError(t, err)
				require.Equal(t, tt.want, waits(s.Calls()))
				if tt.want == nil {
					require.Equal(t, 429, resp.StatusCode)
					data, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.Equal(t, "slow down", string(data))
				}
			})
		})
	}
}

// Waits that no Duration could hold do not turn into none.
func TestNoOverflow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]retry.Config{
		"Retry-After":       {MaxRetryAfter: math.MaxInt64, MaxDelay: math.MaxInt64},
		"clamped":           {ClampRetryAfter: true, MaxRetryAfter: math.MaxInt64 - 1, MaxDelay: math.MaxInt64},
		"with a MinAttempt": {MaxRetryAfter: math.MaxInt64, MinAttempt: time.Hour},
		"schedule":          {MaxRetryAfter: -1, MaxDelay: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.Backoff = retry.Constant(math.MaxInt64)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Hour, cancel)
				s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "9223372036854775807"}})
				begin := time.Now()
				_, err := roundTrip(t, c, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, time.Hour, time.Since(begin))
				require.Len(t, s.Calls(), 1)
			})
		})
	}
}

func TestErrorAsksForAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Err: behaving{retryable: true, notSent: true, after: 5 * time.Second}}, rttest.Step{})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, s, newRequest(t, http.MethodPost, nil))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{5 * time.Second}, waits(s.Calls()))
	})
	s := rttest.NewScript(rttest.Step{Err: behaving{retryable: true, after: time.Hour}})
	_, err := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil))
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, retry.RetryAfterTooLong, e.Reason)
	require.Equal(t, 1, e.Attempts)
}
