package ratelimit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// received is when the answers of these tests arrive.
var received = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// fields makes a header of "Name: value" lines, in the order given.
func fields(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimSpace(value))
	}
	return h
}

// parse reads an answer without a body.
func parse(t testing.TB, d ratelimit.Dialect, status int, h http.Header, now time.Time) ratelimit.Signal {
	t.Helper()
	p, err := ratelimit.NewParser(d)
	require.NoError(t, err)
	var s ratelimit.Signal
	p.Parse(&http.Response{StatusCode: status, Header: h}, now, &s)
	check(t, &s)
	return s
}

// check is what is true of every signal.
func check(t testing.TB, s *ratelimit.Signal) {
	t.Helper()
	bounded := func(d time.Duration) bool { return d == -1 || 0 <= d && d <= ratelimit.Horizon }
	require.True(t, bounded(s.RetryAfter), s.RetryAfter)
	require.True(t, bounded(s.Wait()), s.Wait())
	require.True(t, s.Throttled || s.Wait() == -1 && len(s.Violated) == 0)
	require.LessOrEqual(t, len(s.Quotas), 64)
	known := func(n float64) bool { return n == -1 || n >= 0 && n <= 1e18 }
	seen := map[ratelimit.Quota]bool{}
	for _, q := range s.Quotas {
		require.True(t, bounded(q.ResetIn), q)
		require.True(t, q.Window == -1 || q.Window > 0 && q.Window <= ratelimit.Horizon, q)
		require.True(t, known(q.Limit) && known(q.Remaining) && known(q.Used) && known(q.FillRate), q)
		require.True(t, q.Limit >= 0 || q.Remaining >= 0 || q.Used >= 0, q)
		id := ratelimit.Quota{Policy: q.Policy, Resource: q.Resource, Partition: q.Partition, Unit: q.Unit, Window: q.Window}
		require.False(t, seen[id], id)
		seen[id] = true
	}
	for _, word := range []string{s.Scope, s.Reason, s.Bucket} {
		require.LessOrEqual(t, len(word), 128)
		require.NotContains(t, word, " ")
	}
}

// quota is one of which nothing is known but what change sets.
func quota(change func(q *ratelimit.Quota)) ratelimit.Quota {
	q := ratelimit.Quota{Limit: -1, Remaining: -1, Used: -1, Window: -1, ResetIn: -1, FillRate: -1}
	change(&q)
	return q
}

// left is a quota with limit, remaining and reset.
func left(limit, remaining float64, reset time.Duration) ratelimit.Quota {
	return quota(func(q *ratelimit.Quota) { q.Limit, q.Remaining, q.ResetIn = limit, remaining, reset })
}
