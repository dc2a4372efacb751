package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

const (
	replicas        = 4
	replicaWorkers  = 8
	sharedRate      = 200
	sharedBurst     = 100
	replicaEnv      = "HOLDFAST_REPLICA"
	replicaDeadline = time.Minute
)

// replicaTask is what a replica is told, in its environment.
type replicaTask struct {
	Redis, Upstream, Report string
}

// replicaReport is what it has to say in the end.
type replicaReport struct {
	State             redislimit.State
	Errors            []string
	Degraded, Resumed int
}

// TestRedisReplica is the program of a replica: it sends requests through a
// limiter until the upstream has had enough.
func TestRedisReplica(t *testing.T) {
	var task replicaTask
	env := os.Getenv(replicaEnv)
	if env == "" {
		t.Skip("run by the tests below")
	}
	require.NoError(t, json.Unmarshal([]byte(env), &task))
	ctx, cancel := context.WithTimeout(t.Context(), replicaDeadline)
	defer cancel()

	var report replicaReport
	var mu sync.Mutex
	note := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
	}
	limiter, err := redislimit.New(redislimit.Config{
		Eval: evalByGoRedis(newGoRedis(t, task.Redis)), Rate: sharedRate, Burst: sharedBurst,
		Timeout: 250 * time.Millisecond, // the machine may be busy
		Hooks: redislimit.Hooks{
			Degraded:  func(redislimit.Outage) { note(func() { report.Degraded++ }) },
			Recovered: func(redislimit.Outage) { note(func() { report.Resumed++ }) },
		},
	})
	require.NoError(t, err)
	base := newTransport(t)
	client := &http.Client{Transport: limiter.Wrap(base)}
	start, err := http.NewRequestWithContext(ctx, http.MethodGet, task.Upstream+"/start", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, call(&http.Client{Transport: base}, start).status)

	var wg sync.WaitGroup
	for range replicaWorkers {
		wg.Go(func() {
			for {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, task.Upstream+"/work", nil)
				got := answer{err: err}
				if err == nil {
					got = call(client, req)
				}
				switch {
				case got.err != nil:
					note(func() { report.Errors = append(report.Errors, got.err.Error()) })
					return
				case got.status == http.StatusGone:
					return
				}
			}
		})
	}
	wg.Wait()
	report.State = limiter.Snapshot()
	data, err := json.Marshal(report)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(task.Report, data, 0o600))
}

// arrivals is an upstream that writes down when each request came, and has had
// enough after so many. It lets the replicas start together.
type arrivals struct {
	enough    int
	milestone func(n int) // called with the number of each request, if not nil

	mu      sync.Mutex
	waiting int
	started chan struct{}
	at      []time.Time
}

// ServeHTTP implements http.Handler.
func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	a.mu.Lock()
	if r.URL.Path == "/start" {
		if a.waiting++; a.waiting == replicas {
			close(a.started)
		}
		a.mu.Unlock()
		select {
		case <-a.started:
		case <-r.Context().Done():
		}
		return
	}
	defer a.mu.Unlock()
	if len(a.at) == a.enough {
		w.WriteHeader(http.StatusGone)
		return
	}
	a.at = append(a.at, now)
	if a.milestone != nil {
		a.milestone(len(a.at))
	}
}

// busiest is the largest number of requests within any second.
func (a *arrivals) busiest() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	most, first := 0, 0
	for i, at := range a.at {
		for at.Sub(a.at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// efficiency is how much of what the limit allows has been used: at the best
// moment of the last quarter, since a machine that stalls at the end says
// nothing of the limiter.
func (a *arrivals) efficiency() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	best := 0.0
	for i, at := range a.at {
		if i >= len(a.at)*3/4 {
			ideal := sharedBurst + sharedRate*at.Sub(a.at[0]).Seconds()
			best = max(best, float64(i+1)/ideal)
		}
	}
	return best
}

// runReplicas runs them against upstream until it has had enough, and returns
// their reports.
func runReplicas(t *testing.T, server *redisServer, upstream *arrivals) []replicaReport {
	t.Helper()
	upstream.started = make(chan struct{})
	front := httptest.NewServer(upstream)
	t.Cleanup(front.Close)
	reports := make([]replicaReport, replicas)
	failures := make([]error, replicas)
	var wg sync.WaitGroup
	for i := range reports {
		path := filepath.Join(t.TempDir(), strconv.Itoa(i))
		task, err := json.Marshal(replicaTask{Redis: server.addr, Upstream: front.URL, Report: path})
		require.NoError(t, err)
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRedisReplica$", "-test.timeout="+(2*replicaDeadline).String())
			cmd.Env = append(os.Environ(), replicaEnv+"="+string(task))
			out, err := cmd.CombinedOutput()
			if err != nil {
				failures[i] = errors.New(string(out))
				return
			}
			data, err := os.ReadFile(path)
			if err != nil {
				failures[i] = err
				return
			}
			failures[i] = json.Unmarshal(data, &reports[i])
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
	return reports
}

// maxInASecond is what the limit allows in a second, and one lease for each
// replica.
const maxInASecond = sharedRate + sharedBurst + replicas*sharedBurst/4

// TestRedisReplicas has four processes share one limit. What they must not do
// they must not do in any round. That they lose nothing must show in one round
// of three: a machine that stalls takes slots away that no limiter can use.
func TestRedisReplicas(t *testing.T) {
	t.Parallel()
	const rounds = 3
	for round := 1; ; round++ {
		upstream := &arrivals{enough: 700}
		reports := runReplicas(t, startRedis(t), upstream)
		require.LessOrEqual(t, upstream.busiest(), maxInASecond)

		calls := 0
		for _, r := range reports {
			require.Empty(t, r.Errors)
			require.Len(t, r.State.Buckets, 1)
			require.Equal(t, replicas, r.State.Buckets[0].Replicas)
			calls += int(r.State.Buckets[0].Calls)
		}
		perRequest := float64(calls) / float64(upstream.enough)
		t.Logf("%.1f%% of the ideal, %.3f calls of Redis per request, %d in the busiest second", 100*upstream.efficiency(), perRequest, upstream.busiest())
		if upstream.efficiency() >= 0.99 && perRequest <= 0.15 {
			return
		}
		require.Less(t, round, rounds, "each of the rounds has lost slots, or asked too often")
	}
}

// TestRedisKilled kills Redis under them and starts it again, with nothing in
// it. No request is lost, there are never more than the limit allows, and Redis is
// asked no more often than otherwise. Without it, four fifths of the rate are used.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	var events sync.WaitGroup
	var restarted error
	upstream := &arrivals{enough: 1000}
	upstream.milestone = func(n int) {
		switch n {
		case 300:
			events.Go(server.stop)
		case 500: // at the local shares, after more than a second
			events.Go(func() { restarted = server.start(t) })
		}
	}
	reports := runReplicas(t, server, upstream)
	events.Wait()
	require.NoError(t, restarted)

	calls := 0
	for _, r := range reports {
		require.Empty(t, r.Errors)
		require.Positive(t, r.Degraded)
		require.Positive(t, r.Resumed)
		require.Len(t, r.State.Buckets, 1)
		calls += int(r.State.Buckets[0].Calls)
	}
	perRequest := float64(calls) / float64(upstream.enough)
	t.Logf("%.1f%% of the ideal, %.3f calls of Redis per request, %d in the busiest second", 100*upstream.efficiency(), perRequest, upstream.busiest())
	require.LessOrEqual(t, upstream.busiest(), maxInASecond)
	require.LessOrEqual(t, perRequest, 0.15)
}
