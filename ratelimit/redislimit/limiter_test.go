package redislimit_test

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	eval := newFake().Eval
	for want, c := range map[string]redislimit.Config{
		"redislimit: Config.Eval is nil: must be set":                                                                       {Rate: 1},
		"redislimit: Config.Rate is 0: must be positive and at most a million":                                              {Eval: eval},
		"redislimit: Config.Rate is -1: must be positive and at most a million":                                             {Eval: eval, Rate: -1},
		"redislimit: Config.Rate is NaN: must be positive and at most a million":                                            {Eval: eval, Rate: math.NaN()},
		"redislimit: Config.Rate is +Inf: must be positive and at most a million":                                           {Eval: eval, Rate: math.Inf(1)},
		"redislimit: Config.Burst is -1: must not be negative":                                                              {Eval: eval, Rate: 1, Burst: -1},
		"redislimit: Config.Burst is 1073741824: takes more than 30 days to fill at this Rate":                              {Eval: eval, Rate: 1, Burst: 1 << 30},
		"redislimit: Config.Burst is 0: takes more than 30 days to fill at this Rate":                                       {Eval: eval, Rate: 1e-7},
		`redislimit: Config.Prefix is "{app}": must not contain braces`:                                                     {Eval: eval, Rate: 1, Prefix: "{app}"},
		"redislimit: Config.MaxWait is 721h0m0s: must be at most 30 days":                                                   {Eval: eval, Rate: 1, MaxWait: 721 * time.Hour},
		"redislimit: Config.MaxQueue is -1: must not be negative":                                                           {Eval: eval, Rate: 1, MaxQueue: -1},
		"redislimit: Config.MaxRetryAfter is 721h0m0s: must be at most 30 days":                                             {Eval: eval, Rate: 1, MaxRetryAfter: 721 * time.Hour},
		"redislimit: Config.Timeout is -1ns: must be between 0 and 30 days":                                                 {Eval: eval, Rate: 1, Timeout: -1},
		"redislimit: Config.Timeout is 721h0m0s: must be between 0 and 30 days":                                             {Eval: eval, Rate: 1, Timeout: 721 * time.Hour},
		"redislimit: Config.Mode is 3: must be one of the constants":                                                        {Eval: eval, Rate: 1, Mode: 3},
		"redislimit: Config.Probe is -1ns: must be between 0 and 30 days":                                                   {Eval: eval, Rate: 1, Probe: -1},
		"redislimit: Config.Replicas is -1: must be between 0 and 100000":                                                   {Eval: eval, Rate: 1, Replicas: -1},
		"redislimit: Config.MaxKeys is -1: must not be negative":                                                            {Eval: eval, Rate: 1, MaxKeys: -1},
		"redislimit: Config.Eval is nil: must be set\nredislimit: Config.Rate is 0: must be positive and at most a million": {},
	} {
		l, err := redislimit.New(c)
		require.Nil(t, l)
		require.EqualError(t, err, want)
	}
}

// The extremes of what Config allows work.
func TestExtremes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]redislimit.Config{
		"fastest":       {Rate: 1e6},
		"slowest":       {Rate: 1 / (30 * 24 * 3600.)},
		"largest burst": {Rate: 1000, Burst: 1000 * 30 * 24 * 3600},
		"longest times": {Rate: 10, Timeout: 30 * 24 * time.Hour, Probe: 30 * 24 * time.Hour, MaxRetryAfter: 30 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				l := newLimiter(t, f, c)
				turns(t, l, "key", 1)
				f.set(true)
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				for range 5 {
					if err := l.Wait(ctx, "key"); err != nil {
						require.ErrorIs(t, err, redislimit.ErrLimited)
					}
				}
			})
		})
	}
}

// Both names of a bucket are in one slot of a Redis Cluster, whatever the key.
func TestNamesInRedis(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"https://api.example.com":  "app:{https://api.example.com}",
		"":                         "app:{%}",
		"a{b}c%":                   "app:{a%7Bb%7Dc%25}",
		"}":                        "app:{%7D}",
		strings.Repeat("long", 60): "", // a hash
	} {
		var got []string
		c := redislimit.Config{Rate: 1, Prefix: "app", Eval: func(_ context.Context, _ string, keys, _ []string) (any, error) {
			got = keys
			return nil, errDown
		}, Mode: redislimit.FailOpen}
		require.NoError(t, newLimiter(t, nil, c).Wait(t.Context(), key))
		require.Len(t, got, 2)
		require.Equal(t, got[0]+":replicas", got[1])
		if len(key) > 200 {
			require.Regexp(t, `^app:\{%[0-9a-f]{64}\}$`, got[0])
			continue
		}
		require.Equal(t, want, got[0])
	}
}

func TestLogHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		f := newFake()
		l := newLimiter(t, f, redislimit.Config{Rate: 1, Burst: 1, MaxWait: -1, Hooks: redislimit.LogHooks(rttest.NewLogger(&buf))})
		require.NoError(t, l.Wait(t.Context(), "key"))
		require.Error(t, l.Wait(t.Context(), "key"))
		f.set(true)
		time.Sleep(2 * time.Second)
		require.Error(t, l.Wait(t.Context(), "key"))
		f.set(false)
		time.Sleep(3 * time.Second)
		require.NoError(t, l.Wait(t.Context(), "key"))
		synctest.Wait()
		require.Error(t, l.Wait(t.Context(), "key"))
		require.Equal(t, `level=DEBUG msg="leased from Redis" key=key slots=1 wait=0s replicas=1
level=WARN msg="refused by the shared rate limit" key=key wait=1s reason="longer than may be waited"
level=WARN msg="Redis does not answer" error="redislimit: connection refused"
level=WARN msg="refused by the shared rate limit" key=key wait=1.25s reason="longer than may be waited"
level=INFO msg="Redis answers again" after=3s
level=WARN msg="refused by the shared rate limit" key=key wait=1.05s reason="longer than may be waited"
`, buf.String())
	})
	require.NotNil(t, redislimit.LogHooks(nil).Lease)
}

// Events that nobody tells are not kept without bound.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := 0
		f := newFake()
		l := newLimiter(t, f, redislimit.Config{Rate: 1, Hooks: redislimit.Hooks{Degraded: func(redislimit.Outage) { told++ }, Recovered: func(redislimit.Outage) { told++ }}})
		for i := range 200 {
			f.set(i%2 == 0)
			l.Hold("key", time.Duration(i+1)*time.Second)
			time.Sleep(1100 * ms)
		}
		require.Zero(t, told)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, l.Wait(ctx, "key"))
		require.LessOrEqual(t, told, 64)
		require.Positive(t, told)
	})
}

func TestWaitCostsNoAllocation(t *testing.T) {
	f := newFake()
	l := newLimiter(t, f, redislimit.Config{Rate: 1000, Burst: 1 << 30, Mode: redislimit.FailOpen})
	f.set(true)
	require.NoError(t, l.Wait(t.Context(), "key"))
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := l.Wait(ctx, "key"); err != nil {
			panic(err)
		}
	}))
}

func BenchmarkWait(b *testing.B) {
	f := newFake()
	l := newLimiter(b, f, redislimit.Config{Rate: 1e6, Burst: 1 << 30})
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Wait(b.Context(), "key"); err != nil {
			b.Fatal(err)
		}
	}
}
