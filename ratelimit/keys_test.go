package ratelimit_test

import (
	"net/http"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// flood sends one request for each key through l, and each is told a quota.
// The strings of the keys are made before.
type flood struct {
	names []string
	req   *http.Request
	resp  *http.Response
}

func newFlood(tb testing.TB, keys int, header http.Header) *flood {
	tb.Helper()
	f := &flood{names: make([]string, keys), req: newRequest(tb, "api.example.com")}
	for i := range f.names {
		f.names[i] = "customer-" + strconv.Itoa(i)
	}
	f.resp = &http.Response{StatusCode: http.StatusOK, Header: header, Body: http.NoBody}
	return f
}

func (f *flood) limiter(tb testing.TB, maxKeys int) *ratelimit.Limiter {
	tb.Helper()
	return newLimiter(tb, ratelimit.Config{
		MaxKeys: maxKeys, IdleTimeout: -1, Rate: 100,
		Key: func(req *http.Request) string { return f.names[req.ContentLength] },
	})
}

func (f *flood) through(l *ratelimit.Limiter) {
	rt := l.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) { return f.resp, nil }))
	for i := range f.names {
		f.req.ContentLength = int64(i)
		_, _ = rt.RoundTrip(f.req)
	}
}

// grown returns how many bytes of the heap fill has left in use.
func grown(fill func() (kept any)) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := fill()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

// What answers may tell: nothing, a quota, several, and one of a part of the key.
var told = map[string]http.Header{
	"nothing": {},
	"a quota": {"Ratelimit-Limit": {"100"}, "Ratelimit-Remaining": {"99"}, "Ratelimit-Reset": {"60"}},
	"two quotas": {
		"X-Ratelimit-Limit-Requests": {"60"}, "X-Ratelimit-Remaining-Requests": {"59"}, "X-Ratelimit-Reset-Requests": {"1s"},
		"X-Ratelimit-Limit-Tokens": {"150000"}, "X-Ratelimit-Remaining-Tokens": {"149984"}, "X-Ratelimit-Reset-Tokens": {"6m0s"},
	},
	"a quota of a part": {
		"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"99"}, "X-Ratelimit-Reset": {"60"}, "X-Ratelimit-Resource": {"core"},
	},
}

// Whatever servers tell, a flood of keys takes no more than its bound. This test
// is not parallel: what others allocate would count.
func TestKeysThatHaveLearntAreBounded(t *testing.T) {
	const keys, maxKeys = 10_000, 2_000
	for name, header := range told {
		f := newFlood(t, keys, header)
		var l *ratelimit.Limiter
		bytes := grown(func() any {
			l = f.limiter(t, maxKeys)
			f.through(l)
			return l
		})
		buckets := maxKeys
		if name == "a quota of a part" {
			buckets *= 2 // that of the key, and that of the part
		}
		require.Len(t, l.Snapshot(), buckets, name)
		require.Less(t, bytes/maxKeys, uint64(5<<9), name) // the race detector adds some
	}
}

// BenchmarkBytesPerKey fills a limiter with a million keys that have learnt.
func BenchmarkBytesPerKey(b *testing.B) {
	const keys = 1_000_000
	for name, header := range told {
		b.Run(name, func(b *testing.B) {
			f, bytes := newFlood(b, keys, header), uint64(0)
			for b.Loop() {
				bytes = grown(func() any {
					l := f.limiter(b, keys)
					f.through(l)
					return l
				})
			}
			b.ReportMetric(float64(bytes)/keys, "B/key")
		})
	}
}

func TestBucketDoesNotKeepTheURL(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{Rate: 10})
	rttest.KeepsNoURL(t, l.Wrap)
	require.NotEmpty(t, l.Snapshot())
}
