package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// newTransport returns a transport of its own for the test, so that no
// connection is shared with another.
func newTransport(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// newClient returns a client whose calls go through ms, the first outermost.
func newClient(t *testing.T, ms ...holdfast.Middleware) *http.Client {
	t.Helper()
	return &http.Client{Transport: holdfast.Chain(newTransport(t), ms...)}
}

// newRetry returns a policy that waits a short time between attempts.
func newRetry(t *testing.T, c retry.Config) *retry.Policy {
	t.Helper()
	if c.Backoff == nil {
		c.Backoff = retry.FullJitter(5*time.Millisecond, 50*time.Millisecond)
	}
	p, err := retry.New(c)
	require.NoError(t, err)
	return p
}

// attempts counts the requests that reach the transport, and calls before, if
// there is one, with the number of each, from 1, before it is sent.
type attempts struct {
	count  atomic.Int64
	before func(n int)
}

// Wrap is the middleware; it belongs below all others.
func (a *attempts) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		n := int(a.count.Add(1))
		if a.before != nil {
			a.before(n)
		}
		return next.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answer is what a call came to: an error in the middle of the body leaves both
// a status and an error.
type answer struct {
	status int
	body   []byte
	err    error
}

// call sends req and reads the answer to its end.
func call(client *http.Client, req *http.Request) answer {
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, body: body, err: err}
}

// newGet returns a GET of url.
func newGet(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return req
}

// newPost returns a POST of body to url, with an Idempotency-Key unless key is "".
func newPost(t *testing.T, url, key string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return req
}

// sendAll sends reqs from so many workers at once and returns what they came to,
// in the order of reqs.
func sendAll(client *http.Client, workers int, reqs []*http.Request) []answer {
	got := make([]answer, len(reqs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(reqs); i = int(next.Add(1)) - 1 {
				got[i] = call(client, reqs[i])
			}
		})
	}
	wg.Wait()
	return got
}

// payload returns n bytes of text in which each line differs.
func payload(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.Bytes()[:n]
}
