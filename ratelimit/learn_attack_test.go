package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// Nobody waits for hours: one asks now and then, and the others are told.
func TestHostilePause(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step   rttest.Step
		config ratelimit.Config
	}{
		"Retry-After":    {rttest.Step{Status: 429, Header: []string{"Retry-After", "31536000"}}, ratelimit.Config{}},
		"overflow":       {rttest.Step{Status: 429, Header: []string{"Retry-After", "9223372036854775807"}}, ratelimit.Config{}},
		"reset":          {tells(1, 0, 999_999), ratelimit.Config{}},
		"trouble":        {rttest.Step{Status: 503, Header: []string{"Retry-After", "31536000"}}, ratelimit.Config{}},
		"quotas ignored": {rttest.Step{Status: 429, Header: []string{"Retry-After", "31536000"}}, ratelimit.Config{IgnoreQuotas: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tt.config)
				s := rttest.NewScript(tt.step)
				took(t, l, s, api)
				for range 3 {
					for range 5 {
						d, err := get(t, l, s, api)
						require.Zero(t, d)
						var e *ratelimit.Error
						require.ErrorAs(t, err, &e)
						require.Equal(t, ratelimit.HeldTooLong, e.Reason)
						require.Greater(t, e.Wait, ratelimit.DefaultMaxRetryAfter-time.Minute)
						require.ErrorIs(t, err, ratelimit.ErrLimited)
						require.NotErrorIs(t, err, context.DeadlineExceeded)
					}
					time.Sleep(ratelimit.DefaultMaxRetryAfter + time.Second)
					require.Zero(t, took(t, l, s, api), "one asks")
				}
				require.Len(t, s.Calls(), 4)
			})
		})
	}
}

// Those who wait already are told as well.
func TestHostilePauseRefusesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var replans []ratelimit.Replan
		l := newLimiter(t, ratelimit.Config{Rate: 0.1, Burst: 1, Hooks: ratelimit.Hooks{
			Replan: func(r ratelimit.Replan) { replans = append(replans, r) },
		}})
		s := rttest.NewScript(rttest.Step{Wait: time.Second, Status: 429, Header: []string{"Retry-After", "7200"}})
		var refused atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				var e *ratelimit.Error
				if _, err := get(t, l, s, api); errors.As(err, &e) && e.Reason == ratelimit.HeldTooLong {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 9, refused.Load())
		require.Len(t, replans, 1)
		require.Equal(t, 9, replans[0].Refused)
		require.Equal(t, 2*time.Hour, replans[0].Next)
	})
}

func TestHostileSpeedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 5, Burst: 1})
		s := rttest.NewScript(tells(999_999_999, 999_999_999, 1))
		at := send(t, l, s, "api.example.com", 20)
		require.Equal(t, 3800*ms, at[19], "the own rate")

		l = newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		s = rttest.NewScript(tells(10, 10, 2), tells(10, 0, 2), tells(1_000_000, 1_000_000, 2))
		took(t, l, s, api)
		took(t, l, s, api)
		took(t, l, s, api)
		server := l.Snapshot()[0].Server
		require.InDelta(t, 20, server.Quotas[0].Limit, 0, "no more than twice as much as before")
		require.LessOrEqual(t, server.Burst, 20)
	})
}

// What remains only falls within a window, in whatever order answers come.
func TestRemainingThatRises(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		s := rttest.NewScript(tells(100, 50, 60), tells(100, 10, 60), tells(100, 90, 60), rttest.Step{})
		for range 3 {
			require.Zero(t, took(t, l, s, api))
		}
		require.InDelta(t, 10, l.Snapshot()[0].Server.Quotas[0].Remaining, 0)
	})
}

// A server that refuses everything and says nothing is asked less and less.
func TestThousandThrottlesWithoutAnything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		s := rttest.NewScript(rttest.Step{Status: 429})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					resp, err := l.Wrap(s).RoundTrip(newRequest(t, "api.example.com").WithContext(ctx))
					if err == nil {
						_ = resp.Body.Close()
					}
				}
			})
		}
		wg.Wait()
		require.Less(t, len(s.Calls()), 100)
		require.Greater(t, l.Snapshot()[0].Server.Throttled, 5)
	})
}

// The clocks of others may go as they like: times are taken relative to the
// answer's own Date, or from the local clock where that makes no sense.
func TestClocksOfOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		date func(now time.Time) time.Time
		want float64
	}{
		"slow":         {func(now time.Time) time.Time { return now.Add(-30 * time.Minute) }, 30},
		"fast":         {func(now time.Time) time.Time { return now.Add(30 * time.Minute) }, 30},
		"a year later": {func(now time.Time) time.Time { return now.AddDate(1, 0, 0) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
				l := newLimiter(t, ratelimit.Config{})
				clock := tt.date(time.Now())
				s := rttest.NewScript(rttest.Step{Header: []string{
					"Date", clock.UTC().Format(http.TimeFormat), "X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "0",
					"X-RateLimit-Reset", strconv.FormatInt(clock.Add(30*time.Second).Unix(), 10),
				}}, rttest.Step{})
				took(t, l, s, api)
				d, err := get(t, l, s, api)
				if tt.want == 0 {
					require.ErrorIs(t, err, ratelimit.ErrLimited, "beyond the cap")
					return
				}
				require.NoError(t, err)
				require.InDelta(t, tt.want+1.25, d.Seconds(), 0.5)
			})
		})
	}
}

// A throttle after a redirect that was followed below belongs to the host that
// has answered.
func TestAnswerOfAnotherHost(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]ratelimit.Config{"quotas": {}, "Retry-After alone": {IgnoreQuotas: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { answerOfAnotherHost(t, config) })
		})
	}
}

func answerOfAnotherHost(t *testing.T, config ratelimit.Config) {
	t.Helper()
	l := newLimiter(t, config)
	s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "60"}}, rttest.Step{})
	following := rttest.Func(func(req *http.Request) (*http.Response, error) {
		if strings.HasPrefix(req.URL.Host, "api.") {
			req = req.Clone(req.Context())
			req.URL.Host = "files.example.com"
		}
		return s.RoundTrip(req)
	})
	require.Zero(t, took(t, l, following, api))
	require.Zero(t, took(t, l, s, api), "the host that was asked is free")
	require.Equal(t, time.Minute, took(t, l, s, "https://files.example.com/"))
}

// Others use the same quota: what they take is gone at once, however much.
func TestRemainingFallsByMoreThanWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		s := rttest.NewScript(tells(100, 99, 60), tells(100, 1, 59), rttest.Step{})
		for range 2 {
			require.Zero(t, took(t, l, s, api))
		}
		require.InDelta(t, 1, l.Snapshot()[0].Server.Quotas[0].Remaining, 0)
		require.Zero(t, took(t, l, s, api), "the last one")
		require.InDelta(t, 60, took(t, l, s, api).Seconds(), 1.5, "the reset")
	})
}

// A limit that falls counts at once, and one that grows from the next window on.
func TestLimitChangesInMidWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		quota := func() ratelimit.Quota { return l.Snapshot()[0].Server.Quotas[0] }
		s := rttest.NewScript(tells(100, 50, 60), tells(20, 5, 60), tells(1000, 900, 60), tells(1000, 900, 60))
		took(t, l, s, api)
		took(t, l, s, api)
		require.InDelta(t, 20, quota().Limit, 0)
		require.InDelta(t, 5, quota().Remaining, 0)
		took(t, l, s, api)
		require.InDelta(t, 20, quota().Limit, 0)
		require.InDelta(t, 5, quota().Remaining, 0)
		time.Sleep(2 * time.Minute)
		took(t, l, s, api)
		require.InDelta(t, 200, quota().Limit, 0, "twice the largest that was believed")
	})
}

// Our own clock may step between two answers. Where the server tells its Date, that
// is no matter; where it does not, nobody waits for longer than the cap.
func TestOwnClockSteps(t *testing.T) {
	t.Parallel()
	at := func(clock time.Time, dated bool, remaining string) rttest.Step {
		s := rttest.Step{Header: []string{
			"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", remaining,
			"X-RateLimit-Reset", strconv.FormatInt(clock.Add(30*time.Second).Unix(), 10),
		}}
		if dated {
			s.Header = append(s.Header, "Date", clock.UTC().Format(http.TimeFormat))
		}
		return s
	}
	for name, tt := range map[string]struct {
		step  time.Duration
		dated bool
		want  time.Duration
	}{
		"back, Date":       {-time.Hour, true, 31 * time.Second},
		"forward, Date":    {time.Hour, true, 31 * time.Second},
		"back, no Date":    {-time.Hour, false, ratelimit.DefaultMaxRetryAfter},
		"forward, no Date": {time.Hour, false, time.Second},
		"no step, no Date": {0, false, 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
				l := newLimiter(t, ratelimit.Config{})
				now := time.Now()
				// What a step of ours changes is how the clock of the server looks.
				s := rttest.NewScript(at(now, tt.dated, "5"), at(now.Add(-tt.step), tt.dated, "0"), rttest.Step{})
				took(t, l, s, api)
				took(t, l, s, api)
				begin := time.Now()
				for {
					_, err := get(t, l, s, api)
					if err == nil {
						break
					}
					require.ErrorIs(t, err, ratelimit.ErrLimited)
					time.Sleep(time.Second)
				}
				require.InDelta(t, tt.want.Seconds(), time.Since(begin).Seconds(), 2)
			})
		})
	}
}

// Who said that it would not serve for an hour and serves all the same is believed.
func TestLongPauseEndsWithAnAnswer(t *testing.T) {
	t.Parallel()
	long := []string{"Retry-After", "3600"}
	for name, tt := range map[string]struct {
		step   rttest.Step
		config ratelimit.Config
	}{
		"429":            {rttest.Step{Status: 429, Header: long}, ratelimit.Config{}},
		"503":            {rttest.Step{Status: 503, Header: long}, ratelimit.Config{}},
		"quotas ignored": {rttest.Step{Status: 503, Header: long}, ratelimit.Config{IgnoreQuotas: true}},
		"Check":          {rttest.Step{Header: append(long, "X-Throttled", "1")}, ratelimit.Config{IgnoreQuotas: true, Check: checkSays(throttled(-1))}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var holds []time.Duration
				tt.config.Hooks.Hold = func(h ratelimit.Hold) { holds = append(holds, h.For) }
				l := newLimiter(t, tt.config)
				s := rttest.NewScript(tt.step, rttest.Step{Wait: ms})
				took(t, l, s, api)
				_, err := get(t, l, s, api)
				require.ErrorIs(t, err, ratelimit.ErrLimited)
				time.Sleep(ratelimit.DefaultMaxRetryAfter + time.Second)
				for range 5 {
					require.Equal(t, ms, took(t, l, s, api))
				}
				require.Equal(t, []time.Duration{ratelimit.DefaultMaxRetryAfter}, holds)
			})
		})
	}
}

func TestLongPauseOfOtherWork(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]ratelimit.Config{"quotas": {}, "none": {IgnoreQuotas: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, config)
				do := func(err error) error {
					return l.Do(t.Context(), "key", func(context.Context) error { return err })
				}
				require.ErrorIs(t, do(throttledFor(time.Hour)), throttledFor(time.Hour))
				var e *ratelimit.Error
				require.ErrorAs(t, do(nil), &e)
				require.Equal(t, ratelimit.HeldTooLong, e.Reason)
				require.Equal(t, time.Hour, e.Wait)
				time.Sleep(ratelimit.DefaultMaxRetryAfter)
				begin := time.Now()
				for range 5 {
					require.NoError(t, do(nil))
				}
				require.Zero(t, time.Since(begin))
			})
		})
	}
}
