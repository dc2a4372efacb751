package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// persistent is a retry policy that outlasts a queue in front of nginx's limit.
func persistent(t *testing.T) *retry.Policy {
	t.Helper()
	return newRetry(t, retry.Config{
		MaxAttempts: 100,
		Backoff:     retry.FullJitter(20*time.Millisecond, 500*time.Millisecond),
	})
}

// newStack returns retry, limiter and breaker, wired as the library advises.
func newStack(t *testing.T, c ratelimit.Config) []holdfast.Middleware {
	t.Helper()
	circuit, err := breaker.New(breaker.Config{OpenTimeout: 50 * time.Millisecond, MaxOpenTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	c.Ready = circuit.Ready
	limiter, err := ratelimit.New(c)
	require.NoError(t, err)
	return []holdfast.Middleware{persistent(t).Wrap, limiter.Wrap, circuit.Wrap}
}

// mixed returns n requests, every other one a POST with a key of its own.
func mixed(t *testing.T, url string, n int) []*http.Request {
	t.Helper()
	reqs := make([]*http.Request, n)
	for i := range reqs {
		if i%2 == 0 {
			reqs[i] = newGet(t, url)
		} else {
			reqs[i] = newPost(t, url, fmt.Sprintf("order-%d", i), bytes.NewReader(payload(1<<10)))
		}
	}
	return reqs
}

// requireAllAnswered checks that no call was lost and that no work was done
// twice.
func requireAllAnswered(t *testing.T, upstream *ledger, reqs []*http.Request, got []answer) {
	t.Helper()
	for i, a := range got {
		require.NoError(t, a.err, "request %d", i)
		key := reqs[i].Header.Get("Idempotency-Key")
		if key == "" {
			require.Equal(t, http.StatusOK, a.status)
			require.Equal(t, upstream.page, a.body)
			continue
		}
		require.Equal(t, http.StatusCreated, a.status)
		require.Equal(t, "done "+key, string(a.body))
		work, bodies := upstream.done(key)
		require.Equal(t, 1, work)
		require.Len(t, bodies, 1)
		require.Equal(t, string(payload(1<<10)), bodies[0])
	}
	require.Equal(t, len(reqs), upstream.arrived())
}

// TestNginxLimit sends a crowd of requests at once through an nginx that lets
// only some of them through. Whatever stands in front of it, none is lost.
func TestNginxLimit(t *testing.T) {
	t.Parallel()
	const (
		calls   = 120
		workers = 16
	)
	tests := []struct {
		name    string
		limit   limit
		stack   func(t *testing.T) []holdfast.Middleware
		refusal bool // nginx has to refuse some
	}{
		{
			name:  "a limiter below the limit",
			limit: limit{PerSecond: 50, Burst: 30, Status: 429},
			stack: func(t *testing.T) []holdfast.Middleware {
				return newStack(t, ratelimit.Config{Rate: 40, Burst: 5})
			},
		},
		{
			name:    "a limiter above the limit",
			limit:   limit{PerSecond: 40, Burst: 5, Status: 429},
			refusal: true,
			stack: func(t *testing.T) []holdfast.Middleware {
				return newStack(t, ratelimit.Config{Rate: 1000, Burst: 100})
			},
		},
		{
			name:    "a limiter above the limit, refused with 503",
			limit:   limit{PerSecond: 40, Burst: 5, Status: 503},
			refusal: true,
			stack: func(t *testing.T) []holdfast.Middleware {
				return newStack(t, ratelimit.Config{Rate: 1000, Burst: 100})
			},
		},
		{
			name:    "a limiter above the limit, told to wait",
			limit:   limit{PerSecond: 40, Burst: 20, Status: 429, RetryAfter: "1"},
			refusal: true,
			stack: func(t *testing.T) []holdfast.Middleware {
				return newStack(t, ratelimit.Config{Rate: 1000, Burst: 100})
			},
		},
		{
			name:    "retries alone",
			limit:   limit{PerSecond: 40, Burst: 5, Status: 429},
			refusal: true,
			stack: func(t *testing.T) []holdfast.Middleware {
				return []holdfast.Middleware{persistent(t).Wrap}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upstream := newLedger(payload(2 << 10))
			server := startNginx(t, tt.limit, upstream)
			reqs := mixed(t, server.URL, calls)
			client := newClient(t, tt.stack(t)...)

			requireAllAnswered(t, upstream, reqs, sendAll(client, workers, reqs))

			seen := statuses(server.accesses(t, client))
			t.Logf("nginx answered %v", seen)
			require.Equal(t, calls, seen[http.StatusOK]+seen[http.StatusCreated])
			if tt.refusal {
				require.Positive(t, seen[tt.limit.Status])
			} else {
				require.Zero(t, seen[tt.limit.Status])
			}
		})
	}
}

// TestNginxKeepAlive sends one request after the other. Refused answers are read
// to their end, so all attempts share one connection.
func TestNginxKeepAlive(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			upstream := newLedger(payload(2 << 10))
			server := startNginx(t, limit{PerSecond: 5, Status: status}, upstream)
			reqs := mixed(t, server.URL, 10)
			sent := &attempts{}
			client := newClient(t, persistent(t).Wrap, sent.Wrap)

			requireAllAnswered(t, upstream, reqs, sendAll(client, 1, reqs))

			all := server.accesses(t, client)
			require.Positive(t, statuses(all)[status])
			require.EqualValues(t, len(all), sent.count.Load())
			require.Equal(t, 1, connections(all))
		})
	}
}

// TestNginxRefusesPost sends a POST without a key. The refusal is its answer.
func TestNginxRefusesPost(t *testing.T) {
	t.Parallel()
	upstream := newLedger(nil)
	server := startNginx(t, limit{PerSecond: 1, Status: http.StatusTooManyRequests}, upstream)
	sent := &attempts{}
	client := newClient(t, persistent(t).Wrap, sent.Wrap)

	const calls = 3
	refused := 0
	for range calls {
		got := call(client, newPost(t, server.URL, "", io.MultiReader(bytes.NewReader(payload(1<<10)))))
		require.NoError(t, got.err)
		if got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	require.Positive(t, refused)
	require.EqualValues(t, calls, sent.count.Load())
	work, _ := upstream.done("")
	require.Equal(t, calls-refused, work)
}
