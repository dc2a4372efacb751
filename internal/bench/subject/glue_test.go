package subject_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// upstream answers each attempt with the next status, in the end again and
// again with the last, and notes what it was sent. A status of 0 is a
// transport error.
type upstream struct {
	statuses []int
	after    string // Retry-After
	sent     []string
	closed   atomic.Int64 // responses
}

var errTransport = errors.New("connection reset")

func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	u.sent = append(u.sent, string(body))
	status := u.statuses[0]
	if len(u.statuses) > 1 {
		u.statuses = u.statuses[1:]
	}
	if status == 0 {
		return nil, errTransport
	}
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: &answer{upstream: u}}
	if u.after != "" && status != http.StatusOK {
		resp.Header.Set("Retry-After", u.after)
	}
	return resp, nil
}

type answer struct {
	strings.Reader
	upstream *upstream
}

func (a *answer) Close() error {
	a.upstream.closed.Add(1)
	return nil
}

// body is a request's body that notes its end.
type body struct {
	io.Reader
	closed *atomic.Int64
}

func (b body) Close() error {
	b.closed.Add(1)
	return nil
}

// request makes a request whose body can be had again, and counts how often one
// is closed.
func request(ctx context.Context, t *testing.T, method string) (*http.Request, *atomic.Int64) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "https://api.example.com/", strings.NewReader("payload"))
	require.NoError(t, err)
	closed := new(atomic.Int64)
	getBody := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		again, err := getBody()
		return body{again, closed}, err
	}
	req.Body = body{req.Body, closed}
	return req, closed
}

// eachGlue runs a parallel test for both kinds of glue.
func eachGlue(t *testing.T, test func(*testing.T, subject.Subject)) {
	t.Helper()
	t.Parallel()
	for _, glue := range []subject.Subject{subject.Glue(), subject.GlueLoop()} {
		t.Run(glue.Name, func(t *testing.T) {
			t.Parallel()
			test(t, glue)
		})
	}
}

// The glue is worth comparing with only if it works.
func TestGlue(t *testing.T) { eachGlue(t, testGlue) }

func testGlue(t *testing.T, glue subject.Subject) {
	const ok, unavailable = http.StatusOK, http.StatusServiceUnavailable
	for name, test := range map[string]struct {
		method   string
		upstream *upstream
		status   int // 0 for an error
		attempts int
		waited   time.Duration
	}{
		"good":                     {http.MethodPut, &upstream{statuses: []int{ok}}, ok, 1, 0},
		"not found":                {http.MethodPut, &upstream{statuses: []int{404}}, 404, 1, 0},
		"better later":             {http.MethodPut, &upstream{statuses: []int{unavailable, 429, ok}}, ok, 3, 0},
		"gives up":                 {http.MethodPut, &upstream{statuses: []int{502}}, 502, 3, 0},
		"not idempotent":           {http.MethodPost, &upstream{statuses: []int{unavailable}}, unavailable, 1, 0},
		"transport error":          {http.MethodPut, &upstream{statuses: []int{0, ok}}, ok, 2, 0},
		"only transport errors":    {http.MethodPut, &upstream{statuses: []int{0}}, 0, 3, 0},
		"Retry-After":              {http.MethodPut, &upstream{statuses: []int{unavailable, ok}, after: "2"}, ok, 2, 2 * time.Second},
		"Retry-After, a date":      {http.MethodPut, &upstream{statuses: []int{unavailable, ok}, after: "Sat, 01 Jan 2000 00:00:03 GMT"}, ok, 2, 3 * time.Second},
		"Retry-After, very long":   {http.MethodPut, &upstream{statuses: []int{unavailable, ok}, after: "4000000000"}, ok, 2, time.Minute},
		"Retry-After, meaningless": {http.MethodPut, &upstream{statuses: []int{unavailable, ok}, after: "soon"}, ok, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				req, closed := request(t.Context(), t, test.method)
				resp, err := glue.Wrap(test.upstream).RoundTrip(req)
				if test.status == 0 {
					require.ErrorIs(t, err, errTransport)
				} else {
					require.NoError(t, err)
					require.Equal(t, test.status, resp.StatusCode)
					resp.Body.Close()
				}
				require.Equal(t, test.waited, time.Since(start))
				require.Len(t, test.upstream.sent, test.attempts)
				for _, sent := range test.upstream.sent {
					require.Equal(t, "payload", sent)
				}
				require.EqualValues(t, test.attempts, closed.Load(), "request bodies closed")
			})
		})
	}
}

func TestGlueClosesAnswers(t *testing.T) { eachGlue(t, testGlueClosesAnswers) }

func testGlueClosesAnswers(t *testing.T, glue subject.Subject) {
	u := &upstream{statuses: []int{503, 503, 200}}
	req, _ := request(t.Context(), t, http.MethodPut)
	resp, err := glue.Wrap(u).RoundTrip(req)
	require.NoError(t, err)
	require.EqualValues(t, 2, u.closed.Load())
	resp.Body.Close()
}

func TestGlueStopsWaiting(t *testing.T) { eachGlue(t, testGlueStopsWaiting) }

func testGlueStopsWaiting(t *testing.T, glue subject.Subject) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		req, closed := request(ctx, t, http.MethodPut)
		_, err := glue.Wrap(&upstream{statuses: []int{503}, after: "9"}).RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.EqualValues(t, 1, closed.Load())

		// The limiter refuses too.
		req, closed = request(ctx, t, http.MethodPut)
		_, err = glue.Wrap(&upstream{statuses: []int{200}}).RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 1, closed.Load())
	})
}

// The circuit of a host opens when everything has failed for long enough, and
// that of another host does not.
func TestGlueCircuit(t *testing.T) { eachGlue(t, testGlueCircuit) }

func testGlueCircuit(t *testing.T, glue subject.Subject) {
	u := &upstream{statuses: []int{500}}
	transport := glue.Wrap(u)
	for range 100 {
		req, _ := request(t.Context(), t, http.MethodPut)
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		resp.Body.Close()
	}
	req, closed := request(t.Context(), t, http.MethodPost)
	_, err := transport.RoundTrip(req)
	require.ErrorIs(t, err, gobreaker.ErrOpenState)
	require.EqualValues(t, 1, closed.Load())
	require.Len(t, u.sent, 100)

	req, _ = request(t.Context(), t, http.MethodPut)
	req.URL.Host = "other.example.com"
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	resp.Body.Close()
}
