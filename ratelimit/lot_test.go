package ratelimit_test

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// calls sends n requests one after the other, and returns how many were sent.
func calls(t *testing.T, l *ratelimit.Limiter, next http.RoundTripper, n int) (sent int) {
	t.Helper()
	rt, req := l.Wrap(next), newRequest(t, "api.example.com")
	for range n {
		if resp, err := rt.RoundTrip(req); err == nil {
			sent++
			require.NoError(t, resp.Body.Close())
		}
	}
	return sent
}

// silent answers with a header that says nothing.
var silent = rttest.Func(func(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
})

// Tokens that abound are counted as exactly as others.
func TestLargeBucketsAreExact(t *testing.T) {
	t.Parallel()
	for _, ignore := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, ratelimit.Config{Rate: 100, Burst: 2000, MaxWait: -1, IgnoreQuotas: ignore})
			tokens := func() float64 { return l.Snapshot()[0].Tokens }
			require.Equal(t, 1000, calls(t, l, silent, 1000))
			require.InDelta(t, 1000, tokens(), 1e-6)
			require.Equal(t, 777, calls(t, l, silent, 777))
			time.Sleep(time.Second)
			require.InDelta(t, 323, tokens(), 1e-6)
			require.Equal(t, 323, calls(t, l, silent, 400))
			time.Sleep(10 * time.Second)
			require.Equal(t, 1000, calls(t, l, silent, 1100))
			time.Sleep(time.Hour)
			require.Equal(t, 10, calls(t, l, silent, 10))
			time.Sleep(time.Second)
			require.Equal(t, 2000, calls(t, l, silent, 2100), "it is full again")
		})
	}
}

// A bucket that is filled as fast as it is used loses no more than flows back in
// a millisecond, however long that goes on.
func TestFullBucketsStayFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{Rate: 10_000, Burst: 1000, MaxWait: -1})
		for range 5000 {
			require.Equal(t, 1, calls(t, l, silent, 1))
			time.Sleep(100 * time.Microsecond)
			require.GreaterOrEqual(t, l.Snapshot()[0].Tokens+1e-6, 1000.0-10)
		}
		for range 5000 {
			require.Equal(t, 1, calls(t, l, silent, 1))
			time.Sleep(100 * time.Microsecond)
		}
		require.GreaterOrEqual(t, l.Snapshot()[0].Tokens+1e-6, 1000.0-10)
	})
}

// What holds the key holds those who would have gone without a look at it.
func TestHoldEndsAbundance(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]ratelimit.Config{
		"rate":    {Rate: 1e6, Burst: 1 << 20},
		"no rate": {},
		"ignored": {Rate: 1e6, Burst: 1 << 20, IgnoreQuotas: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, limit)
				require.Equal(t, 2000, calls(t, l, silent, 2000))
				require.Zero(t, took(t, l, rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "7"}}), api))
				require.Equal(t, 7*time.Second, took(t, l, silent, api))
			})
		})
	}
}

// Of a server that tells nothing the first 16 answers are read, and one in 64.
func TestSilentAnswersAreSampled(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]ratelimit.Config{
		"no rate":    {},
		"plenty":     {Rate: 1e6, Burst: 1 << 20},
		"some":       {Rate: 1e6, Burst: 1000},
		"few tokens": {Rate: 1e6, Burst: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				read := 0
				limit.Hooks.Malformed = func(ratelimit.Malformed) { read++ }
				l, n := newLimiter(t, limit), 0
				var at []int
				odd := rttest.Func(func(*http.Request) (*http.Response, error) {
					n++
					if read > len(at) {
						at = append(at, n-1)
					}
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Ratelimit-Limit": {"many"}}, Body: http.NoBody}, nil
				})
				for range 400 {
					require.Equal(t, 1, calls(t, l, odd, 1))
					time.Sleep(time.Duration(n%7) * 50 * time.Microsecond)
				}
				want := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 64, 128, 192, 256, 320, 384}
				require.Equal(t, want, at)
			})
		})
	}
}

// When a server begins to tell its quota, the calls under way are known.
func TestCallsUnderWayAreKnownWhenQuotasCome(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]ratelimit.Config{"no rate": {}, "plenty": {Rate: 1e6, Burst: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, limit)
				slow := rttest.Func(func(req *http.Request) (*http.Response, error) {
					time.Sleep(time.Minute)
					return silent(req)
				})
				calls(t, l, silent, 2000)
				var wg sync.WaitGroup
				for range 300 {
					wg.Go(func() { calls(t, l, slow, 1) })
				}
				synctest.Wait()
				told := with(tells(5000, 4000, 3600), 403, "Retry-After", "0") // its header is read in any case
				took(t, l, rttest.NewScript(told), api)
				require.Equal(t, 300, l.Snapshot()[0].Server.UnderWay)
				wg.Wait()
				require.Zero(t, l.Snapshot()[0].Server.UnderWay)
			})
		})
	}
}

// A bucket with calls under way is not forgotten for others, also if they went
// without holding it: what is answered them counts.
func TestBucketsWithCallsUnderWayStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{MaxKeys: 10, IdleTimeout: time.Second})
		calls(t, l, silent, 2000) // until it is the bucket that is found first
		slow := rttest.Func(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Hour)
			return &http.Response{
				StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"100"}}, Body: http.NoBody,
			}, nil
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { calls(t, l, slow, 1) })
		}
		time.Sleep(30 * time.Minute)
		for i := range 1000 {
			took(t, l, silent, "https://"+strconv.Itoa(i)+".example.com/")
		}
		time.Sleep(30 * time.Minute)
		wg.Wait()
		for i := range 1000 {
			took(t, l, silent, "https://"+strconv.Itoa(i)+".example.com/")
		}
		require.Equal(t, 100*time.Second, took(t, l, silent, api))
		require.LessOrEqual(t, len(l.Snapshot()), 10)
	})
}

// Callers on all cores, of which some are held up, look and give back, together
// never get more than rate and burst allow.
func TestAbundanceIsNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	const rate, burst, callers = 200_000, 4_000, 8
	l := newLimiter(t, ratelimit.Config{Rate: rate, Burst: burst, MaxWait: -1})
	begin := time.Now()
	var sent atomic.Int64
	next := rttest.Func(func(req *http.Request) (*http.Response, error) {
		if req.ContentLength%16 == 15 {
			return nil, notSent(true)
		}
		sent.Add(1)
		return silent(req)
	})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			rt, req := l.Wrap(next), newRequest(t, "api.example.com")
			for i := range 10_000 {
				req.ContentLength = int64(caller + i)
				resp, err := rt.RoundTrip(req)
				if err == nil {
					_ = resp.Body.Close()
				}
				if i%1000 == 0 {
					_ = l.Plan("https://api.example.com", 1)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, float64(sent.Load()), burst+rate*time.Since(begin).Seconds()+1)
}
