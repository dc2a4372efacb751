package rttest

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// KeepsNoURL checks that a middleware which has state for each host does not keep
// the URL of a request together with the host, which is a part of it: there may be
// a secret in it, and it may be long. The test that calls it must not be parallel.
func KeepsNoURL(t *testing.T, wrap Middleware) {
	t.Helper()
	const hosts, long = 20, 1 << 20
	query := strings.Repeat("x", long)
	rt := wrap(Func(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	before := heap()
	for i := range hosts {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://host"+strconv.Itoa(i)+".example.com/?"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if kept := heap() - before; kept > hosts*long/2 {
		t.Errorf("%d bytes are kept of requests to %d hosts", kept, hosts)
	}
	runtime.KeepAlive(query)
	runtime.KeepAlive(rt)
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) // #nosec G115 -- no heap is that large
}
