package retry_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
)

// The simulated outage: a thousand clients with a call every four seconds each,
// and an upstream that can do a quarter more. It is dead for a minute and then
// works as before. Callers wait for an answer for a second; work for those who
// have gone is done all the same.
const (
	clients    = 1000
	callEvery  = 4 * time.Second
	normalLoad = clients / 4 // per second
	capacity   = normalLoad * 5 / 4
	dies       = 10 * time.Second
	revives    = dies + 60*time.Second
	ends       = revives + 40*time.Second
	impatience = time.Second
	maxQueue   = 10 * time.Second // of work; beyond it the upstream says 503
)

// upstream is a queue with one server.
type upstream struct {
	begin      time.Time
	retryAfter string

	mu       sync.Mutex
	nextFree time.Time
	load     [ends / time.Second]int // arrivals per second
}

func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	wait, status := u.serve(time.Now())
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}
	if status != http.StatusOK && u.retryAfter != "" {
		resp.Header["Retry-After"] = []string{u.retryAfter}
	}
	return resp, nil
}

// serve takes one request and says when it is answered and how.
func (u *upstream) serve(now time.Time) (time.Duration, int) {
	const quick = time.Millisecond
	u.mu.Lock()
	defer u.mu.Unlock()
	at := now.Sub(u.begin)
	if s := int(at / time.Second); s < len(u.load) {
		u.load[s]++
	}
	if dies <= at && at < revives {
		u.nextFree = now
		return quick, http.StatusServiceUnavailable
	}
	if u.nextFree.Before(now) {
		u.nextFree = now
	}
	if u.nextFree.Sub(now) > maxQueue {
		return quick, http.StatusServiceUnavailable
	}
	u.nextFree = u.nextFree.Add(time.Second / capacity)
	return u.nextFree.Sub(now) + quick, http.StatusOK
}

// outage is what a strategy did.
type outage struct {
	mean, peak float64       // load while dead, normal load being 1
	after      float64       // peak after the revival
	recovered  time.Duration // from the revival until nearly all calls succeed; 0: never
}

// simulate lets the clients run with a policy each, all made of c.
func simulate(t *testing.T, c retry.Config, budget *retry.BudgetConfig, retryAfter string) (o outage) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{begin: time.Now(), retryAfter: retryAfter}
		if budget != nil {
			c.Budget = newBudget(t, *budget)
		}
		rt := newPolicy(t, c).Wrap(retry.AttemptTimeout(impatience)(u))
		var mu sync.Mutex
		var good, bad [2 * ends / time.Second]int // calls that began in each second
		var wg sync.WaitGroup
		for i := range clients {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			next := time.Duration(random.Int64N(int64(callEvery)))
			wg.Go(func() {
				for at := next; at < ends; at += callEvery {
					// Calls begin on time whatever became of the last one.
					time.Sleep(time.Until(u.begin.Add(at)))
					wg.Go(func() {
						resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
						mu.Lock()
						defer mu.Unlock()
						if err == nil && resp.StatusCode == http.StatusOK {
							good[at/time.Second]++
						} else {
							bad[at/time.Second]++
						}
					})
				}
			})
		}
		wg.Wait()
		for s := int(dies / time.Second); s < int(ends/time.Second); s++ {
			load := float64(u.load[s]) / normalLoad
			if s < int(revives/time.Second) {
				o.mean += load / (revives - dies).Seconds()
				o.peak = max(o.peak, load)
			} else {
				o.after = max(o.after, load)
			}
		}
		// Recovered is when all that follows is nearly all good.
		for s := int(ends/time.Second) - 1; s >= int(revives/time.Second); s-- {
			if bad[s]*100 > good[s] {
				break
			}
			o.recovered = ends - time.Duration(s)*time.Second
		}
		if o.recovered > 0 {
			o.recovered = ends - revives - o.recovered + time.Second
		}
	})
	return o
}

// The table of the package documentation. It runs alone: the contract suite of
// other tests looks at every goroutine there is, and here are thousands.
func TestSimulatedOutage(t *testing.T) {
	steady := retry.Config{MaxAttempts: 4, Backoff: retry.Constant(500 * time.Millisecond)}
	jitter := retry.Config{MaxAttempts: 4, Backoff: retry.FullJitter(100*time.Millisecond, 10*time.Second)}
	share := &retry.BudgetConfig{}
	rows := []struct {
		name       string
		config     retry.Config
		budget     *retry.BudgetConfig
		retryAfter string
		got        outage
	}{
		{name: "no repetition", config: retry.Config{MaxAttempts: -1}},
		{name: "4 attempts, every 500 ms", config: steady},
		{name: "4 attempts, full jitter", config: jitter},
		{name: "… and Retry-After: 5", config: jitter, retryAfter: "5"},
		{name: "4 attempts, full jitter, budget", config: jitter, budget: share},
		{name: "… and Retry-After: 5", config: jitter, budget: share, retryAfter: "5"},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-34s %6s %6s %6s  %s\n", "", "mean", "peak", "after", "recovered")
	for i := range rows {
		r := &rows[i]
		r.got = simulate(t, r.config, r.budget, r.retryAfter)
		recovered := "not in 40s"
		if r.got.recovered > 0 {
			recovered = "within " + r.got.recovered.String()
		}
		fmt.Fprintf(&table, "%-34s %6.2f %6.2f %6.2f  %s\n", r.name, r.got.mean, r.got.peak, r.got.after, recovered)
	}
	t.Log("\n" + table.String())
	for _, r := range rows {
		if r.budget != nil {
			require.LessOrEqual(t, r.got.mean, 1.1+float64(retry.DefaultBudgetMinPerSecond)/normalLoad+0.01, r.name)
			require.Positive(t, r.got.recovered, r.name)
			require.LessOrEqual(t, r.got.recovered, 5*time.Second, r.name)
		}
	}
}
