package rttest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
)

// forwarding is what every middleware below has in common.
type forwarding struct {
	next      http.RoundTripper
	roundTrip func(next http.RoundTripper, req *http.Request) (*http.Response, error)
}

func (f forwarding) RoundTrip(req *http.Request) (*http.Response, error) {
	return f.roundTrip(f.next, req)
}

func (f forwarding) CloseIdleConnections() {
	f.next.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// subject makes a subject of a RoundTrip.
func subject(roundTrip func(http.RoundTripper, *http.Request) (*http.Response, error)) rttest.Subject {
	return rttest.Subject{New: func() rttest.Middleware {
		return func(next http.RoundTripper) http.RoundTripper {
			return forwarding{next: next, roundTrip: roundTrip}
		}
	}}
}

func TestContractOfPassingOn(t *testing.T) {
	t.Parallel()
	rttest.Contract(t, subject(http.RoundTripper.RoundTrip))
}

// repeat is a retry middleware with the given ways to fail: three attempts, no
// waits.
func repeat(discard func(*http.Response), again func(*http.Request) *http.Request) rttest.Subject {
	return subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		for range 2 {
			if err == nil && resp.StatusCode < 500 || req.Context().Err() != nil {
				break
			}
			if req = again(req); req == nil {
				break
			}
			if resp != nil {
				discard(resp)
			}
			resp, err = next.RoundTrip(req)
		}
		return resp, err
	})
}

func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// rewind repeats requests that have no body.
func rewind(req *http.Request) *http.Request {
	if req.Body != nil && req.Body != http.NoBody {
		return nil
	}
	return req
}

// However many goroutines are left, each is found.
func TestContractCountsGoroutines(t *testing.T) {
	t.Parallel()
	var once sync.Once
	s := subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		once.Do(func() {
			for range 1500 {
				go time.Sleep(4 * time.Hour)
			}
		})
		return next.RoundTrip(req)
	})
	require.Contains(t, strings.Join(rttest.Violations(t, s, "nothing is left running"), "\n"), " 1500 goroutines are left")
}

// catch is a broken subject and the clause that must tell.
type catch struct {
	subject rttest.Subject
	clause  string
}

// catches checks that the suite catches each of these.
func catches(t *testing.T, broken map[string]catch) {
	t.Helper()
	for name, tt := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, rttest.Violations(t, tt.subject, tt.clause))
		})
	}
}

var errRefused = errors.New("refused")
