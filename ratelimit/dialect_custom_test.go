package ratelimit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

var custom = ratelimit.Custom{
	Quotas: []ratelimit.QuotaFields{
		{
			Policy: "calls", Window: time.Minute,
			Limit: "x-calls-MAX", Remaining: "X-Calls-Left", Reset: "X-Calls-Fresh", ResetForm: ratelimit.ResetMillis,
		},
		{Policy: "rows", Unit: ratelimit.Points, Used: "X-Rows"},
	},
	RetryAfter: "X-Come-Back", RetryAfterForm: ratelimit.ResetDuration,
	Statuses: []int{420},
	Bucket:   "X-Bucket", Scope: "X-Scope", Reason: "X-Reason", Cost: "X-Cost",
}

func TestCustom(t *testing.T) {
	t.Parallel()
	h := fields("X-Calls-Max: 100", "x-calls-left: 7", "X-Calls-Fresh: 1500", "X-Rows: 3", "X-Come-Back: 2s", "Retry-After: 60",
		"X-Bucket: b", "X-Scope: s", "X-Reason: r", "X-Cost: 1.5", "X-RateLimit-Remaining: 0")
	want := ratelimit.Signal{
		Quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Remaining, q.Window, q.ResetIn = "calls", 100, 7, time.Minute, 1500*time.Millisecond
			}),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Unit, q.Used = "rows", ratelimit.Points, 3 }),
		},
		RetryAfter: -1, Bucket: "b", Scope: "s", Reason: "r", Cost: 1.5,
	}
	require.Equal(t, want, parse(t, custom, http.StatusOK, h, received))
	want.Throttled, want.RetryAfter = true, 2*time.Second
	for _, status := range []int{420, 429, 529, 403, 503} {
		require.Equal(t, want, parse(t, custom, status, h, received))
	}
	h.Set("X-Come-Back", "later")
	want.RetryAfter, want.Malformed = time.Minute, []string{"X-Come-Back"}
	require.Equal(t, want, parse(t, custom, 420, h, received))
	require.False(t, parse(t, ratelimit.Custom{}, 420, h, received).Throttled)
}

// The parser keeps nothing that its maker could change.
func TestCustomIsCopied(t *testing.T) {
	t.Parallel()
	c := ratelimit.Custom{Quotas: []ratelimit.QuotaFields{{Remaining: "X-Left"}}, Statuses: []int{420}}
	p, err := ratelimit.NewParser(c)
	require.NoError(t, err)
	c.Quotas[0].Remaining, c.Statuses[0] = "X-Other", 500
	var s ratelimit.Signal
	p.Parse(&http.Response{StatusCode: 420, Header: fields("X-Left: 5")}, received, &s)
	require.True(t, s.Throttled)
	require.Equal(t, []ratelimit.Quota{left(-1, 5, -1)}, s.Quotas)
}

// New tells all mistakes at once.
func TestCustomMistakes(t *testing.T) {
	t.Parallel()
	_, err := ratelimit.NewParser(ratelimit.Custom{
		Quotas: []ratelimit.QuotaFields{
			{Policy: "nothing to read", Reset: "X-Reset"},
			{Limit: "X Limit", Remaining: "X-Left:", Used: "Ü", Reset: "X\nReset", Unit: 99, Window: -1, ResetForm: 99},
		},
		RetryAfter: " ", RetryAfterForm: 99,
		Statuses: []int{200, 399, 400, 599, 600},
		Bucket:   "(", Scope: ")", Reason: ",", Cost: ";",
	})
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 17)
	for _, line := range lines {
		require.True(t, strings.HasPrefix(line, "ratelimit: "), line)
	}
	for _, mistake := range []string{
		"Custom.Quotas[0]: needs Limit, Remaining or Used", `Custom.Quotas[1].Limit: "X Limit" is not a field name`,
		"Custom.Quotas[1].Unit: no such unit: 99", "Custom.Quotas[1].Window: -1ns is negative",
		"Custom.Quotas[1].ResetForm: no such form: 99", "Custom.RetryAfterForm: no such form: 99",
		"Custom.Statuses: 399 is not the status of an error", `Custom.Cost: ";" is not a field name`,
	} {
		require.Contains(t, err.Error(), "ratelimit: "+mistake)
	}
}

func TestCustomAllocatesNothing(t *testing.T) {
	p, err := ratelimit.NewParser(custom)
	require.NoError(t, err)
	var s ratelimit.Signal
	resp := &http.Response{StatusCode: 420, Header: fields("X-Calls-Max: 100", "x-calls-left: 7", "X-Calls-Fresh: 1500", "X-Come-Back: 2s")}
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Parse(resp, received, &s) }))
}
