package ratelimit_test

import (
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// cannotTell is what Plan returns where it can't be told.
const cannotTell = time.Duration(math.MaxInt64)

// hundred has half of a hundred a minute left.
var hundred = with(tells(100, 50, 60), 200, "RateLimit-Policy", "100;w=60")

// A plan knows the quotas of the server, not only how fast calls go just now.
func TestPlanOfQuotas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config ratelimit.Config
		step   rttest.Step
		want   map[int]time.Duration
	}{
		"Burst": {ratelimit.Config{Pace: ratelimit.Burst}, hundred, map[int]time.Duration{
			50: 0, 51: 61 * time.Second, 150: 61 * time.Second, 151: 121 * time.Second, 1000: 601 * time.Second,
		}},
		"Threshold": {ratelimit.Config{}, hundred, map[int]time.Duration{
			31: 0, 41: 30500 * ms, 51: 61 * time.Second, 130: 61 * time.Second, 141: 91 * time.Second,
		}},
		"Spread": {ratelimit.Config{Pace: ratelimit.Spread}, hundred, map[int]time.Duration{
			1: 0, 26: 30500 * ms, 51: 61 * time.Second, 101: 120 * time.Second,
		}},
		"Reserve": {ratelimit.Config{Pace: ratelimit.Burst, Reserve: 0.2}, hundred, map[int]time.Duration{
			30: 0, 31: 61 * time.Second, 110: 61 * time.Second, 111: 121 * time.Second,
		}},
		"a Reserve of nearly all": {ratelimit.Config{Pace: ratelimit.Burst, Reserve: 0.9999}, hundred, map[int]time.Duration{
			1: 61 * time.Second, 3: 181 * time.Second,
		}},
		"a lower rate of one's own": {ratelimit.Config{Rate: 0.5, Burst: 1, Pace: ratelimit.Burst}, hundred, map[int]time.Duration{
			11: 22 * time.Second, 100: 200 * time.Second,
		}},
		"no window": {ratelimit.Config{Pace: ratelimit.Burst}, tells(100, 50, 60), map[int]time.Duration{
			50: 0, 150: 61 * time.Second, 151: cannotTell,
		}},
		"no reset": {ratelimit.Config{Pace: ratelimit.Burst, Dialect: ratelimit.AzureARM}, rttest.Step{Header: []string{
			"x-ms-ratelimit-remaining-subscription-reads", "10",
		}}, map[int]time.Duration{10: 0, 11: cannotTell}},
		"a bucket that empties": {ratelimit.Config{Pace: ratelimit.Burst}, rttest.Step{Header: []string{
			"X-Shopify-Shop-Api-Call-Limit", "10/40",
		}}, map[int]time.Duration{30: 0, 31: 500 * ms, 130: 50 * time.Second}},
		"beyond what is waited for": {ratelimit.Config{}, rttest.Step{Status: 429, Header: []string{"Retry-After", "7200"}}, map[int]time.Duration{
			1: 2 * time.Hour,
		}},
		"tokens": {ratelimit.Config{Dialect: ratelimit.OpenAI}, rttest.Step{Header: []string{
			"x-ratelimit-limit-tokens", "100", "x-ratelimit-remaining-tokens", "50", "x-ratelimit-reset-tokens", "60s",
		}}, map[int]time.Duration{1000: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tt.config)
				took(t, l, rttest.NewScript(tt.step), api)
				for n, want := range tt.want {
					require.InDelta(t, want, l.Plan("https://api.example.com", n), float64(time.Second), "%d calls", n)
				}
			})
		})
	}
}

// What was planned comes to pass.
func TestPlanComesTrue(t *testing.T) {
	t.Parallel()
	for _, pace := range []ratelimit.Pace{ratelimit.Burst, ratelimit.Threshold, ratelimit.Spread} {
		t.Run(strconv.Itoa(int(pace)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const limit, window, calls = 100, 100 * time.Second, 350
				begin, used, of := time.Now(), 0, time.Duration(0)
				server := rttest.Func(func(req *http.Request) (*http.Response, error) {
					since := time.Since(begin)
					if since/window != of {
						used, of = 0, since/window
					}
					used++
					require.LessOrEqual(t, used, limit)
					h := http.Header{}
					h.Set("RateLimit-Policy", `"p";q=100;w=100`)
					left := (window - since%window + time.Second - 1) / time.Second
					h.Set("RateLimit", `"p";r=`+strconv.Itoa(limit-used)+`;t=`+strconv.Itoa(int(left)))
					return &http.Response{StatusCode: http.StatusOK, Header: h, Body: http.NoBody, Request: req}, nil
				})
				l := newLimiter(t, ratelimit.Config{Pace: pace})
				took(t, l, server, api)
				planned, from := l.Plan("https://api.example.com", calls), time.Now()
				for range calls {
					took(t, l, server, api)
				}
				require.InEpsilon(t, time.Since(from), planned, 0.05)
			})
		})
	}
}

// The planner knows the parts of a key by the names that Snapshot shows.
func TestPlanOfParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
		l := newLimiter(t, ratelimit.Config{Credential: ratelimit.CredentialOf, Rate: 1000, Burst: 1})
		send := func(path string) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.github.com"+path, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer token")
			resp, err := l.Wrap(gitHub).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		send("/repos/a")
		send("/users/b")
		send("/search/c") // of which nothing is left
		names := keys(l)
		require.Len(t, names, 3, "the key with its credential, and two parts")
		require.InDelta(t, 30*time.Second, l.Plan(names[2], 1), float64(2*time.Second), names[2])
		require.InDelta(t, ms, l.Plan(names[1], 1), float64(ms), names[1])
		require.InDelta(t, 4*time.Second, l.Plan(names[1], 4000), float64(ms), "the rate of the key is that of its parts")
		require.InDelta(t, 30*time.Second, l.Plan(names[1], 5000), float64(2*time.Second), "the next window")
		require.Equal(t, l.Plan(names[1], 5000), l.Plan(names[0], 5000), "most routes belong to it")
		require.Zero(t, l.Plan(names[0]+" nobody", 1))
		require.Zero(t, l.Plan("a key with spaces", 1))
	})
}
