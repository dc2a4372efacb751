package retry_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

const (
	reuseRequests = 96 // each of up to six sizes twice in each of the eight ways

	// serverDrain is how much of a body that its handler has left unread the
	// server of net/http reads, before it answers, so as to keep the connection.
	serverDrain = 256 << 10
)

// Where there can be one connection only, a call that retries while it still
// holds the one of its last attempt waits for itself. And a connection is given
// up for two reasons only: an error answer is too long to be drained, or the
// server did not read the request's body and it is too long for the server's
// own drain. So the number of connections is one, and one more for each answer
// of these two kinds, however the lengths are announced.
func TestConnectionReuse(t *testing.T) {
	usual := []int{0, 100, 3 << 10, 8 << 10, 200 << 10, serverDrain - 1}
	long := []int{serverDrain + 40<<10}
	for name, tt := range map[string]struct {
		answer int
		sizes  []int
		want   int
	}{
		"no answer body":            {0, usual, 1},
		"short answers":             {100, usual, 1},
		"answers in pieces":         {3 << 10, usual, 1},
		"answers as long as may be": {httpx.DrainBytes, usual, 1},
		"answers too long":          {200 << 10, usual, 1 + reuseRequests},
		"requests too long":         {100, long, 1 + reuseRequests/2},
		"both too long":             {200 << 10, long, 1 + reuseRequests},
	} {
		for _, getBody := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, GetBody %v", name, getBody), func(t *testing.T) {
				r := &reuse{answer: tt.answer, sizes: tt.sizes, getBody: getBody}
				r.run(t)
				// A drain that was late may just have got to the end all the same.
				require.GreaterOrEqual(t, int(r.opened.Load()), tt.want)
				require.LessOrEqual(t, int(r.opened.Load()), tt.want+int(r.late.Load()))
			})
		}
	}
}

// reuse is a client whose requests all fail once, a server on a real socket, and
// one connection at a time between them.
type reuse struct {
	answer  int   // size of the body of an error answer
	sizes   []int // of requests' bodies
	getBody bool  // requests have GetBody

	opened atomic.Int64 // connections
	late   atomic.Int64 // drains that were cut off, because the machine stood still
	failed sync.Map     // the requests that have failed
}

// The number of a request says how it is sent and answered.
func lengthKnown(i int) bool     { return i&1 == 0 }
func bodyRead(i int) bool        { return i&2 == 0 }
func answerAnnounced(i int) bool { return i&4 == 0 }
func (r *reuse) size(i int) int  { return r.sizes[i/8%len(r.sizes)] }

// costs reports whether the error answer to request i costs the connection.
func (r *reuse) costs(i int) bool {
	return r.answer > httpx.DrainBytes || r.size(i) > serverDrain && !bodyRead(i)
}

// run sends the requests, four at a time, and fails unless all of them succeed.
func (r *reuse) run(t *testing.T) {
	t.Helper()
	server := httptest.NewUnstartedServer(r)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	policy := newPolicy(t, retry.Config{Backoff: retry.Constant(0), MaxBuffer: 1 << 20})
	rt := policy.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := transport.RoundTrip(req)
		if i, _ := number(req); err == nil && !r.costs(i) && resp.Body != http.NoBody {
			resp.Body = &drained{ReadCloser: resp.Body, late: &r.late, begin: time.Now()}
		}
		return resp, err
	}))

	// No measure of speed: this bounds a test that would wait for ever.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const workers = 4
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for i := w; i < reuseRequests && err == nil; i += workers {
				err = r.send(ctx, rt, server.URL, i)
			}
			errs <- err
		}()
	}
	for range workers {
		require.NoError(t, <-errs)
	}
}

// send sends request i.
func (r *reuse) send(ctx context.Context, rt http.RoundTripper, url string, i int) error {
	var body io.Reader = strings.NewReader(strings.Repeat("q", r.size(i)))
	if !r.getBody {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprint(url, "/", i), body)
	if err != nil {
		return err
	}
	req.ContentLength = int64(r.size(i))
	if !lengthKnown(i) && r.size(i) > 0 {
		req.ContentLength = -1
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("request %d: %w", i, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("request %d: %w", i, err)
	}
	if resp.StatusCode != http.StatusOK || string(text) != strconv.Itoa(r.size(i)) {
		return fmt.Errorf("request %d: %s after %d attempts, %.20q", i, resp.Status, retry.AttemptsOf(resp), text)
	}
	return nil
}

// number returns the number of req.
func number(req *http.Request) (int, error) { return strconv.Atoi(req.URL.Path[1:]) }

// ServeHTTP answers a request with an error the first time, then with the size of
// its body.
func (r *reuse) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	i, err := number(req)
	if err != nil {
		http.NotFound(w, req)
		return
	}
	if _, again := r.failed.LoadOrStore(i, true); again {
		n, _ := io.Copy(io.Discard, req.Body)
		_, _ = fmt.Fprint(w, n)
		return
	}
	if bodyRead(i) {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	if answerAnnounced(i) {
		w.Header().Set("Content-Length", strconv.Itoa(r.answer))
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = http.NewResponseController(w).Flush() // without a length: in chunks
	_, _ = io.WriteString(w, strings.Repeat("a", r.answer))
}

// drained is the body of an answer that is read to its end, unless that takes
// longer than the drain may. Then it counts.
type drained struct {
	io.ReadCloser
	late  *atomic.Int64
	begin time.Time
	ended atomic.Bool
}

func (d *drained) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err == io.EOF {
		d.ended.Store(true)
	}
	return n, err
}

func (d *drained) Close() error {
	if time.Since(d.begin) >= httpx.DrainTime && d.ended.CompareAndSwap(false, true) {
		d.late.Add(1)
	}
	return d.ReadCloser.Close()
}
