package ratelimit_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// refused reads a 429.
func refused(t *testing.T, lines ...string) ratelimit.Signal {
	t.Helper()
	s := parse(t, nil, http.StatusTooManyRequests, fields(lines...), received)
	require.True(t, s.Throttled)
	return s
}

// wait makes a value of s addressable.
func wait(s ratelimit.Signal) time.Duration { return s.Wait() }

// served reads a 200.
func served(t *testing.T, lines ...string) ratelimit.Signal {
	t.Helper()
	s := parse(t, nil, http.StatusOK, fields(lines...), received)
	require.False(t, s.Throttled)
	return s
}

func TestAttackRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"9223372036854775807":            ratelimit.Horizon,
		"99999999999":                    ratelimit.Horizon,
		"31536000":                       365 * 24 * time.Hour,
		"0":                              0,
		" 120 ":                          2 * time.Minute,
		"1.5":                            1500 * time.Millisecond,
		"2.0":                            2 * time.Second,
		"120, 240":                       4 * time.Minute,
		"Sun, 01 Mar 2026 11:00:00 GMT":  0,
		"Fri, 31 Dec 9999 23:59:59 GMT":  ratelimit.Horizon,
		"Thu, 01 Jan 1970 00:00:00 GMT":  0,
		"Sunday, 01-Mar-26 12:01:30 GMT": 90 * time.Second,
		"Sun Mar  1 12:01:30 2026":       90 * time.Second,
		"Sun, 01 Mar 2026 12:01:60 GMT":  119 * time.Second,

		"-5": -1, "": -1, "1e3": -1, "0x10": -1, "1_000": -1, "+5": -1, "NaN": -1, "Inf": -1, "٣": -1,
		"Sun, 01 Mar 2026 12:01:30 gmt":   -1,
		"Sun, 01 Mar 2026 12:01:30 UTC":   -1,
		"Sun, 01 Mar 2026 12:01:30 +0000": -1,
	} {
		s := refused(t, "Retry-After: "+value)
		require.Equal(t, want, s.RetryAfter, value)
		require.Equal(t, want < 0, len(s.Malformed) == 1, value)
		require.Equal(t, want, s.Wait(), value)
	}
	require.Equal(t, 2*time.Minute, refused(t, "Retry-After: 120", "Retry-After: 60").RetryAfter, "two lines")
}

func TestAttackReset(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"41":                            41 * time.Second,
		"0":                             0,
		"64.57":                         64570 * time.Millisecond,
		"1772366430":                    30 * time.Second,
		"1772366430000":                 30 * time.Second,
		"1772366400":                    0, // equal to Date
		"1772366399":                    0, // a second before Date
		"1772366430.5":                  30500 * time.Millisecond,
		"2026-03-01T12:10Z":             10 * time.Minute,
		"2026-03-01T13:00:30+01:00":     30 * time.Second,
		"9999-12-31T23:59:59Z":          ratelimit.Horizon,
		"253402300799":                  -1, // the year 9999, between the magnitudes
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second,
		"1772366430000000":              -1, // microseconds
		"1772366430000000000":           -1, // nanoseconds
		"-1":                            -1,
		"":                              -1,
		"NaN":                           -1,
		"Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)": -1,
	} {
		s := served(t, "Date: Sun, 01 Mar 2026 12:00:00 GMT", "X-RateLimit-Remaining: 5", "X-RateLimit-Reset: "+value)
		require.Len(t, s.Quotas, 1, value)
		require.Equal(t, want, s.Quotas[0].ResetIn, value)
		require.Equal(t, want < 0, len(s.Malformed) == 1, value)
		require.InDelta(t, 5, s.Quotas[0].Remaining, 0, "a malformed reset takes nothing else with it")
	}
}

func TestAttackRemaining(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]float64{
		"598.0": 598, "0": 0, "101": 101, "5, 3": 3,

		"-1": -1, "NaN": -1, "Inf": -1, "1e18": -1, "1000000000000000000": -1, "0x1p4": -1, "1_000": -1, "+5": -1, "": -1,
		"5, x": -1, "unlimited": -1,
	} {
		s := served(t, "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: "+value, "X-RateLimit-Reset: 9")
		require.Equal(t, []ratelimit.Quota{left(100, want, 9*time.Second)}, s.Quotas, value)
		require.Equal(t, want < 0, len(s.Malformed) == 1, value)
	}
	require.Empty(t, served(t, "X-RateLimit-Reset: 9").Quotas, "a reset of nothing")
	s := refused(t, "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", "X-RateLimit-Reset: 9")
	require.Equal(t, time.Duration(-1), s.Wait(), "another limit refused it: its reset is not this one")
}

func TestAttackLimit(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]float64{
		"0": 0, "100": 100, "100, 50": 50, "-100": -1, "a": -1, "1.5e3": -1,
		"10, 10;w=": -1, `10;w="1"`: -1, "10, 10;w=0": 10, "10, 10;w=-1": 10, "x;w=1": -1,
	} {
		s := served(t, "X-RateLimit-Limit: "+value, "X-RateLimit-Remaining: 7")
		require.Len(t, s.Quotas, 1, value)
		require.Equal(t, left(want, 7, -1), s.Quotas[0], value)
	}
}

func TestAttackDuplicates(t *testing.T) {
	t.Parallel()
	for _, lines := range [][]string{
		{"RateLimit-Remaining: 5", "RateLimit-Remaining: 3", "RateLimit-Reset: 9", "RateLimit-Reset: 60", "RateLimit-Limit: 10", "RateLimit-Limit: 100"},
		{"RateLimit-Remaining: 3", "RateLimit-Remaining: 5", "RateLimit-Reset: 60", "RateLimit-Reset: 9", "RateLimit-Limit: 100", "RateLimit-Limit: 10"},
		{"RateLimit-Remaining: 3, 5", "RateLimit-Reset: 9, 60", "RateLimit-Limit: 10, 100"},
		{"RateLimit-Remaining: 3, 3", "RateLimit-Reset: 60, 60", "RateLimit-Limit: 10,10"},
	} {
		require.Equal(t, []ratelimit.Quota{left(10, 3, time.Minute)}, served(t, lines...).Quotas)
	}
	s := served(t, "X-RateLimit-Remaining: 1"+strings.Repeat(", 1", 1000), "X-RateLimit-Limit: 7")
	require.Equal(t, []ratelimit.Quota{left(7, -1, -1)}, s.Quotas)
	require.Equal(t, []string{"X-Ratelimit-Remaining"}, s.Malformed)
}

// Several dialects in one answer: the most restrictive wins, and what is about
// different limits stays apart.
func TestAttackMixedDialects(t *testing.T) {
	t.Parallel()
	s := served(t,
		"X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 90", "X-RateLimit-Reset: 1772366410",
		"RateLimit-Limit: 100", "RateLimit-Remaining: 20", "RateLimit-Reset: 60",
		"RateLimit-Policy: 100;w=60, 5;w=1",
		"X-Rate-Limit-Limit: 100", "X-Rate-Limit-Remaining: 91",
		"X-RateLimit-Remaining-Tokens: 3",
	)
	require.ElementsMatch(t, []ratelimit.Quota{
		quota(func(q *ratelimit.Quota) {
			q.Limit, q.Remaining, q.Window, q.ResetIn = 100, 20, time.Minute, time.Minute
		}),
		quota(func(q *ratelimit.Quota) { q.Limit, q.Window = 5, time.Second }),
		quota(func(q *ratelimit.Quota) { q.Unit, q.Remaining = ratelimit.Tokens, 3 }),
	}, s.Quotas)
}

func TestAttackStructured(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines     string
		quotas    []ratelimit.Quota
		malformed string
	}{
		"the draft's own example": {`RateLimit: quota;t=1`, nil, "Ratelimit"},
		"token for a string": {`RateLimit: p;r=5;t=1`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Remaining, q.ResetIn = "p", 5, time.Second
		})}, ""},
		"negative r":          {`RateLimit: "p";r=-1;t=1`, nil, "Ratelimit"},
		"decimal r":           {`RateLimit: "p";r=1.5;t=1`, nil, "Ratelimit"},
		"string r":            {`RateLimit: "p";r="5";t=1`, nil, "Ratelimit"},
		"boolean r":           {`RateLimit: "p";r;t=1`, nil, "Ratelimit"},
		"sixteen digits":      {`RateLimit: "p";r=1000000000000000`, nil, "Ratelimit"},
		"negative t":          {`RateLimit: "p";r=1;t=-1`, nil, "Ratelimit"},
		"trailing semicolon":  {`RateLimit: "p";r=1;`, nil, "Ratelimit"},
		"upper-case key":      {`RateLimit: "p";R=1`, nil, "Ratelimit"},
		"unterminated string": {`RateLimit: "p;r=1`, nil, "Ratelimit"},
		"inner list":          {`RateLimit: ("p");r=1`, nil, "Ratelimit"},
		"empty name":          {`RateLimit: "";r=1`, nil, "Ratelimit"},
		"integer for a name":  {`RateLimit: 5;r=1`, nil, "Ratelimit"},
		"bad partition":       {`RateLimit: "p";r=1;pk=:a:`, nil, "Ratelimit"},
		"partition of text":   {`RateLimit: "p";r=1;pk="a"`, nil, "Ratelimit"},
		"policy without q":    {`RateLimit-Policy: "p";w=1`, nil, "Ratelimit-Policy"},
		"window of nothing":   {`RateLimit-Policy: "p";q=1;w=0`, nil, "Ratelimit-Policy"},
		"unit of no type":     {`RateLimit-Policy: "p";q=1;qu=5`, nil, "Ratelimit-Policy"},
		"policy as a map":     {`RateLimit-Policy: q=1, w=5`, nil, "Ratelimit-Policy"},
		"long name":           {`RateLimit: "` + strings.Repeat("p", 300) + `";r=1`, nil, "Ratelimit"},
		"a megabyte":          {`RateLimit: "` + strings.Repeat("p", 1<<20) + `";r=1`, nil, "Ratelimit"},
		"negative in a map":   {`RateLimit: limit=-1, remaining=-2, reset=3`, nil, "Ratelimit"},
		"decimal in a map": {
			`RateLimit: limit=10, remaining=5, reset=1.5, other=x`, []ratelimit.Quota{left(10, 5, -1)}, "Ratelimit",
		},
		"one member of two": {`RateLimit: "p";r=x, "s";r=2`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Remaining = "s", 2
		})}, "Ratelimit"},
		"duplicate parameter": {`RateLimit: "p";r=9;r=2`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Remaining = "p", 2
		})}, ""},
		"one name twice": {`RateLimit: "p";r=9;t=1, "p";r=2, "p";r=5;t=7`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Remaining, q.ResetIn = "p", 2, 7*time.Second
		})}, ""},
		"unknown unit": {`RateLimit-Policy: "p";q=9;qu="unicorns" | RateLimit: "p";r=3`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Unit, q.Limit, q.Remaining = "p", ratelimit.OtherUnit, 9, 3
		})}, ""},
		"policy without a partition": {`RateLimit-Policy: "p";q=9;w=5 | RateLimit: "p";r=3;pk=:QQ==:, "p";r=4;pk=:Qg==:`, []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Partition, q.Limit, q.Remaining, q.Window = "p", "QQ==", 9, 3, 5*time.Second
			}),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Partition, q.Remaining = "p", "Qg==", 4 }),
		}, ""},
		"limit without a partition": {`RateLimit-Policy: "p";q=9;w=5;pk=:QQ==: | RateLimit: "p";r=3`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Partition, q.Limit, q.Remaining, q.Window = "p", "QQ==", 9, 3, 5*time.Second
		})}, ""},
		"a window of thousands of years": {`RateLimit-Policy: "p";q=9;w=999999999999999`, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Limit, q.Window = "p", 9, ratelimit.Horizon
		})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range []ratelimit.Preset{ratelimit.IETF, ratelimit.Auto} {
				s := parse(t, d, http.StatusOK, fields(strings.Split(tt.lines, " | ")...), received)
				require.Equal(t, tt.quotas, append([]ratelimit.Quota(nil), s.Quotas...))
				require.Equal(t, tt.malformed, strings.Join(s.Malformed, " "))
			}
		})
	}
}

func TestAttackManyPolicies(t *testing.T) {
	t.Parallel()
	var members []string
	h := http.Header{}
	for i := range 1000 {
		members = append(members, fmt.Sprintf(`"p%d";r=1`, i))
		h.Add(fmt.Sprintf("Zendesk-Ratelimit-P%03d", i), "total=2; remaining=1")
		h.Add(fmt.Sprintf("X-Ms-Ratelimit-Remaining-P%03d", i), "1")
	}
	h.Set("RateLimit", strings.Join(members, ", "))
	h.Set("Beta-RateLimit", strings.Join(members[:64], ", "))
	first := parse(t, nil, http.StatusOK, h, received)
	require.Len(t, first.Quotas, 64)
	require.Subset(t, first.Malformed, []string{"Ratelimit", "Zendesk-Ratelimit-P000", "Zendesk-Ratelimit-*", "X-Ms-Ratelimit-Remaining-*"})
	require.LessOrEqual(t, len(first.Malformed), 40)
	for range 20 {
		require.Equal(t, first, parse(t, nil, http.StatusOK, h, received), "whatever the order of the header")
	}
}

func TestAttackLists(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"X-Shopify-Shop-Api-Call-Limit: 32/0", "X-Shopify-Shop-Api-Call-Limit: a/b", "X-Shopify-Shop-Api-Call-Limit: 32",
		"X-Shopify-Shop-Api-Call-Limit: -1/40", "X-Shopify-Shop-Api-Call-Limit: ", "Sforce-Limit-Info: api-usage",
		"Sforce-Limit-Info: =1/2", "Sforce-Limit-Info: a b=1/2", "X-App-Rate-Limit: 20:1,,100:0,:", "X-App-Rate-Limit: 20:1,100:0",
		"X-App-Rate-Limit: 20", "X-App-Rate-Limit: 20:", "X-App-Rate-Limit: -1:1", "X-App-Rate-Limit: 20:1,",
		"Zendesk-Ratelimit-X: total", "Zendesk-Ratelimit-X: total=a", "Zendesk-Ratelimit-X: resets=5", "Zendesk-Ratelimit-X: total=1;;",
		"X-Ms-Ratelimit-Remaining-X: -1", "X-Ms-Ratelimit-Remaining-X: a;b", "X-Ms-Ratelimit-Remaining-X: ;5", "X-Ms-Ratelimit-Remaining-X: ",
		"X-App-Rate-Limit: " + strings.Repeat("1:1,", 300) + "1:1",
	} {
		s := served(t, line)
		require.Empty(t, s.Quotas, line)
		require.Len(t, s.Malformed, 1, line)
	}
	s := served(t, "X-App-Rate-Limit: 20:1", "X-App-Rate-Limit-Count: x:1")
	require.Equal(t, []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
		q.Policy, q.Limit, q.Window = "app", 20, time.Second
	})}, s.Quotas)
	require.Equal(t, []string{"X-App-Rate-Limit-Count"}, s.Malformed)
}

func TestAttackNamesOfFields(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Zendesk-Ratelimit-", "X-Ms-Ratelimit-Remaining-"} {
		for _, policy := range []string{"", strings.Repeat("x", 129), strings.Repeat("x", 1<<20)} {
			s := parse(t, nil, http.StatusOK, http.Header{http.CanonicalHeaderKey(name + policy): {"1"}}, received)
			require.Empty(t, s.Quotas)
			require.Equal(t, []string{name + "*"}, s.Malformed)
		}
	}
}

func TestAttackFillRate(t *testing.T) {
	t.Parallel()
	for interval, want := range map[string]float64{"5": 200, "0": -1, "-1": -1, "0.000000001": 999999999999999} {
		s := served(t, "X-RateLimit-Remaining: 5", "X-RateLimit-FillRate: 1000", "X-RateLimit-Interval-Seconds: "+interval)
		if want > 200 {
			s = served(t, "X-RateLimit-Remaining: 5", "X-RateLimit-FillRate: 999999999999999", "X-RateLimit-Interval-Seconds: "+interval)
		}
		require.InDelta(t, want, s.Quotas[0].FillRate, 0, interval)
		require.Equal(t, time.Duration(-1), s.Quotas[0].Window)
	}
}

func TestAttackPause(t *testing.T) {
	t.Parallel()
	s := served(t, `RateLimit: "p";r=0;t=31536000`)
	require.Equal(t, 365*24*time.Hour, s.Quotas[0].ResetIn)
	s = served(t, `RateLimit: "p";r=0;t=999999999999999`)
	require.Equal(t, ratelimit.Horizon, s.Quotas[0].ResetIn)
}

// Names from the server end in logs and keys.
func TestAttackWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "two words", "line\x7f", strings.Repeat("x", 129), "é"} {
		s := parse(t, ratelimit.Discord, http.StatusOK, fields("X-RateLimit-Bucket: "+word, "X-RateLimit-Scope: user"), received)
		require.Empty(t, s.Bucket, word)
		require.Equal(t, "user", s.Scope)
		require.Equal(t, []string{"X-Ratelimit-Bucket"}, s.Malformed)
	}
}

func TestAttackTrailers(t *testing.T) {
	t.Parallel()
	p, err := ratelimit.NewParser(nil)
	require.NoError(t, err)
	var s ratelimit.Signal
	p.Parse(&http.Response{StatusCode: http.StatusTooManyRequests, Trailer: fields("Retry-After: 5", "X-RateLimit-Remaining: 0")}, received, &s)
	require.Empty(t, s.Quotas)
	require.Equal(t, time.Duration(-1), s.RetryAfter)
}

// What a cache has kept is about the past.
func TestAttackAge(t *testing.T) {
	t.Parallel()
	lines := []string{"X-RateLimit-Limit: 10", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 60", "X-Complexity: 5"}
	s := served(t, append(lines, "Age: 300")...)
	require.Empty(t, s.Quotas)
	require.InDelta(t, -1, s.Cost, 0)
	for _, age := range []string{"0", "-1", "garbage", ""} {
		require.Len(t, served(t, append(lines, "Age: "+age)...).Quotas, 1, age)
	}
	s = refused(t, append(lines, "Age: 300", "Retry-After: 7")...)
	require.Empty(t, s.Quotas)
	require.Equal(t, 7*time.Second, s.RetryAfter)
}

func TestAttackDate(t *testing.T) {
	t.Parallel()
	for date, want := range map[string]time.Duration{
		"Sun, 01 Mar 2026 12:30:00 GMT": 0,                // their clock is half an hour fast
		"Sun, 01 Mar 2026 11:59:30 GMT": 90 * time.Second, // half a minute slow
		"Sun, 01 Mar 2026 13:00:01 GMT": time.Minute,      // too far off: ours
		"Mon, 01 Mar 2027 12:00:00 GMT": time.Minute,
		"Sat, 01 Mar 2025 12:00:00 GMT": time.Minute,
		"yesterday":                     time.Minute,
		"":                              time.Minute,
	} {
		s := served(t, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1772366460", "Date: "+date)
		require.Equal(t, want, s.Quotas[0].ResetIn, date)
	}
	s := served(t, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 60", "Date: Sun, 01 Mar 2026 12:30:00 GMT")
	require.Equal(t, time.Minute, s.Quotas[0].ResetIn, "what is relative needs no clock")
}

// A wait that is asked for comes before all else; then the quotas that have
// nothing left; then those that were violated.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	lines := []string{"RateLimit-Limit: 10", "RateLimit-Remaining: 0", "RateLimit-Reset: 60"}
	require.Equal(t, time.Minute, wait(refused(t, lines...)))
	require.Equal(t, time.Duration(0), wait(refused(t, append(lines, "Retry-After: 0")...)))
	require.Equal(t, 2*time.Second, wait(refused(t, append(lines, "Retry-After: 9", "Retry-After-Ms: 2000")...)))
	require.Equal(t, time.Duration(-1), wait(served(t, lines...)))
	require.Equal(t, 500*time.Millisecond, wait(refused(t, "X-Shopify-Shop-Api-Call-Limit: 40/40")), "the bucket leaks")
	require.Equal(t, ratelimit.Horizon, wait(refused(t, "X-RateLimit-Remaining: 0", "X-RateLimit-Interval-Seconds: 999999", "X-RateLimit-FillRate: 0.00000000000000000001")))
	require.Equal(t, time.Duration(-1), wait(refused(t, "X-RateLimit-Remaining: 0", "X-RateLimit-Interval-Seconds: 9", "X-RateLimit-FillRate: 0")))
	require.Equal(t, 70*time.Second, wait(refused(t, append(lines, "X-RateLimit-Remaining-Tokens: 0", "X-RateLimit-Reset-Tokens: 1m10s")...)), "all of them")
}
