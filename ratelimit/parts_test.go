package ratelimit_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// gitHub answers as api.github.com does: quotas per resource, all of "search"
// spent.
var gitHub = rttest.Func(func(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	resource, remaining := "core", "4999"
	if strings.HasPrefix(req.URL.Path, "/search") {
		resource, remaining = "search", "0"
	}
	now := time.Now()
	h := http.Header{}
	for name, value := range map[string]string{
		"Date": now.UTC().Format(http.TimeFormat), "Content-Type": "application/json; charset=utf-8",
		"Cache-Control": "private, max-age=60, s-maxage=60", "Etag": `W/"6f9c"`, "X-Github-Media-Type": "github.v3",
		"Vary": "Accept, Authorization", "X-Github-Request-Id": "C0DE:1234", "Server": "github.com",
		"X-Ratelimit-Limit": "5000", "X-Ratelimit-Remaining": remaining, "X-Ratelimit-Used": "1",
		"X-Ratelimit-Reset":    strconv.FormatInt(now.Add(30*time.Second).Unix(), 10),
		"X-Ratelimit-Resource": resource,
	} {
		h[name] = []string{value}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
})

// keys returns the keys of a Snapshot.
func keys(l *ratelimit.Limiter) (all []string) {
	for _, b := range l.Snapshot() {
		all = append(all, b.Key)
	}
	return all
}

// One resource that is spent does not hold up the others.
func TestResourcesHaveBucketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		require.Zero(t, took(t, l, gitHub, api+"repos/a/b"))
		require.Zero(t, took(t, l, gitHub, api+"search/code?q=1"), "where it belongs nobody knew")
		require.Equal(t, []string{"https://api.example.com", "https://api.example.com core", "https://api.example.com search"}, keys(l))
		var wg sync.WaitGroup
		wg.Go(func() {
			if d := took(t, l, gitHub, api+"search/issues?q=1"); d < 30*time.Second {
				t.Errorf("sent after %v", d)
			}
		})
		synctest.Wait()
		for range 10 {
			require.Zero(t, took(t, l, gitHub, api+"repos/a/b"))
			require.Zero(t, took(t, l, gitHub, api+"users/a"), "an unknown route is taken for a usual one")
		}
		wg.Wait()
		for _, b := range l.Snapshot() {
			if b.Server != nil {
				require.Zero(t, b.Server.UnderWay, b.Key)
			}
		}
	})
}

// The rate of the Config is that of the key, however many parts it has.
func TestPartsShareTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 10, Burst: 1, Route: func(req *http.Request) string { return req.URL.Path }})
		s := rttest.Func(func(req *http.Request) (*http.Response, error) {
			h := http.Header{"X-Ratelimit-Bucket": {req.URL.Path[1:]}, "X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"999"}, "X-Ratelimit-Reset-After": {"1"}}
			return &http.Response{StatusCode: http.StatusOK, Header: h, Body: http.NoBody}, nil
		})
		begin := time.Now()
		for i := range 40 {
			took(t, l, s, api+strconv.Itoa(i%4))
		}
		require.Equal(t, 3900*ms, time.Since(begin))
		require.Len(t, l.Snapshot(), 5)
	})
}

// Routes of which answers name one bucket share it, and one that is moved to another
// leaves the others alone.
func TestRoutesJoinAndSplit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst})
		bucket, left := map[string]string{"/a": "one", "/b": "one", "/c": "one"}, map[string]int{"one": 5, "two": 5}
		s := rttest.Func(func(req *http.Request) (*http.Response, error) {
			name := bucket[req.URL.Path]
			left[name]--
			h := http.Header{"X-Ratelimit-Bucket": {name}, "X-Ratelimit-Limit": {"5"}, "X-Ratelimit-Remaining": {strconv.Itoa(left[name])}, "X-Ratelimit-Reset-After": {"60"}}
			return &http.Response{StatusCode: http.StatusOK, Header: h, Body: http.NoBody}, nil
		})
		for _, path := range []string{"a", "b", "c"} {
			require.Zero(t, took(t, l, s, api+path))
		}
		require.Equal(t, []string{"https://api.example.com", "https://api.example.com one"}, keys(l))
		bucket["/c"] = "two"
		require.Zero(t, took(t, l, s, api+"c"), "which tells that it has moved")
		require.Zero(t, took(t, l, s, api+"a"), "the fourth of one")
		require.Zero(t, took(t, l, s, api+"b"), "and its last")
		require.Zero(t, took(t, l, s, api+"c"))
		require.GreaterOrEqual(t, took(t, l, s, api+"a"), 59*time.Second, "what b has used is gone for a")
	})
}

// A server that names another bucket in each answer gains nothing: the route
// gets a bucket of its own, and the number of buckets is bounded.
func TestRandomBucketIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Pace: ratelimit.Burst, Route: func(req *http.Request) string { return req.URL.Path }})
		n := 0
		var mu sync.Mutex
		s := rttest.Func(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			h := http.Header{"X-Ratelimit-Bucket": {fmt.Sprint("id", n)}, "X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {strconv.Itoa(max(0, 10-n))}, "X-Ratelimit-Reset-After": {"3600"}}
			return &http.Response{StatusCode: http.StatusOK, Header: h, Body: http.NoBody}, nil
		})
		for range 10 {
			require.Zero(t, took(t, l, s, api+"a"))
		}
		_, err := get(t, l, s, api+"a")
		require.ErrorIs(t, err, ratelimit.ErrLimited, "spent, whatever the bucket is called")
		require.LessOrEqual(t, len(l.Snapshot()), 6)
		for i := range 1000 {
			_, _ = get(t, l, s, api+strconv.Itoa(i))
		}
		require.LessOrEqual(t, len(l.Snapshot()), 65)
	})
}

// A throttle with the scope "global" stops all parts.
func TestGlobalThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		step := func(bucket string) rttest.Step {
			return rttest.Step{Header: []string{"X-RateLimit-Bucket", bucket, "X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "9", "X-RateLimit-Reset-After", "1"}}
		}
		s := rttest.NewScript(step("a"), step("b"), with(step("a"), 429, "X-RateLimit-Global", "true", "Retry-After", "20"), rttest.Step{})
		took(t, l, s, api+"a")
		took(t, l, s, api+"b")
		took(t, l, s, api+"a")
		require.GreaterOrEqual(t, took(t, l, s, api+"b"), 20*time.Second)
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Credential: ratelimit.CredentialOf})
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "60"}}, rttest.Step{})
		call := func(secret string) time.Duration {
			begin := time.Now()
			req := newRequest(t, "api.example.com")
			if secret != "" {
				req.Header.Set("Authorization", "Bearer "+secret)
			}
			resp, err := l.Wrap(s).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return time.Since(begin)
		}
		require.Zero(t, call("alice-secret"))
		require.Zero(t, call("bob-secret"), "another account")
		require.Zero(t, call(""))
		require.Equal(t, time.Minute, call("alice-secret"))
		require.Len(t, l.Snapshot(), 3)
		require.NotContains(t, fmt.Sprintf("%+v", l.Snapshot()), "secret")

		other := newLimiter(t, ratelimit.Config{Credential: ratelimit.CredentialOf})
		req := newRequest(t, "api.example.com")
		req.Header.Set("Authorization", "Bearer alice-secret")
		resp, err := other.Wrap(rttest.NewScript()).RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NotContains(t, keys(l), other.Snapshot()[0].Key, "the hash has a key of its own")
	})
}

// A thousand goroutines, a server that says all kinds of things, and whoever
// looks on.
func TestRaceOfLearners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 5000, MaxInFlight: 100, Reserve: 0.1, AdaptiveRate: true, Hooks: ratelimit.Hooks{
			Plan: func(ratelimit.PlanChange) {}, Hold: func(ratelimit.Hold) {},
		}})
		steps := make([]rttest.Step, 0, 3000)
		for i := range 3000 {
			step := rttest.Step{Wait: time.Duration(i%7) * 10 * ms, Header: []string{
				"X-RateLimit-Limit", "1000", "X-RateLimit-Remaining", strconv.Itoa(1000 - i%900), "X-RateLimit-Reset-After", "1.5",
			}}
			switch {
			case i%5 == 0:
				step.Header = append(step.Header, "X-RateLimit-Bucket", strconv.Itoa(i%3))
			case i%97 == 0:
				step = rttest.Step{Status: 429, Header: []string{"Retry-After", "1"}}
			case i%101 == 0:
				step = rttest.Step{Err: notSent(true)}
			}
			steps = append(steps, step)
		}
		s := rttest.NewScript(append(steps, rttest.Step{})...)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				for range 3 {
					_, _ = get(t, l, s, api+strconv.Itoa(i%10)+"/x")
					if i%50 == 0 {
						l.Snapshot()
						l.Plan("https://api.example.com", 10)
					}
				}
			})
		}
		wg.Wait()
		for _, b := range l.Snapshot() {
			require.Zero(t, b.InFlight)
			if b.Server != nil {
				require.Zero(t, b.Server.UnderWay, b.Key)
			}
		}
	})
}

// Who waits in a part and then for the key waits for MaxWait in all.
func TestMaxWaitIsForBothQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * 366 * 24 * time.Hour) // to a Unix time of ten digits
		var waits []string
		l := newLimiter(t, ratelimit.Config{
			Rate: 0.1, Burst: 1, MaxWait: 35 * time.Second,
			Key:   func(*http.Request) string { return "key" },
			Hooks: ratelimit.Hooks{Wait: func(w ratelimit.Wait) { waits = append(waits, w.Key) }},
		})
		const search = "https://api.github.com/search/x"
		took(t, l, gitHub, search) // nothing is left for 30 seconds
		time.Sleep(20 * time.Second)
		var others sync.WaitGroup
		for range 4 { // at 0, 10, 20 and 30 seconds
			others.Go(func() { acquire(t.Context(), t, l) })
			synctest.Wait()
		}
		d, err := get(t, l, gitHub, search)
		others.Wait()
		require.InDelta(t, 11, d.Seconds(), 2, "the other 29 seconds would be too long")
		var e *ratelimit.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, ratelimit.WaitTooLong, e.Reason)
		require.Equal(t, "key", e.Key)
		require.Equal(t, []string{"key", "key", "key", "key search"}, waits)
	})
}
