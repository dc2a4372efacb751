package rttest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
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

// The suite must catch each of these, by the clause named.
func TestContractCatches(t *testing.T) {
	t.Parallel()
	errRefused := errors.New("refused")
	for name, tt := range map[string]struct {
		subject rttest.Subject
		clause  string
	}{
		"refusal leaves the request body open": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					return nil, errRefused
				}
				return next.RoundTrip(req)
			}),
			"request body is closed exactly once",
		},
		"request body closed twice": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Body != nil {
					_ = req.Body.Close()
				}
				return resp, err
			}),
			"request body is closed exactly once",
		},
		"request body left open for a caller that has gone": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				if err := req.Context().Err(); err != nil {
					return nil, err
				}
				return next.RoundTrip(req)
			}),
			"request body is closed when the context is over",
		},
		"header set on the caller's request": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				req.Header.Set("X-Attempt", "1")
				return next.RoundTrip(req)
			}),
			"request is not changed",
		},
		"body of the caller's request replaced": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				if req.Body != nil {
					req.Body = struct{ io.ReadCloser }{req.Body}
				}
				return next.RoundTrip(req)
			}),
			"request is not changed",
		},
		"URL of the caller's request changed": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				req.URL.RawQuery = ""
				return next.RoundTrip(req)
			}),
			"request is not changed",
		},
		"form parsed into the caller's request": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				req.PostForm = map[string][]string{}
				return next.RoundTrip(req)
			}),
			"request is not changed",
		},
		"headers dropped below": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				clone.Header = http.Header{}
				return next.RoundTrip(clone)
			}),
			"request arrives as it was made",
		},
		"query dropped below": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				clone.URL.RawQuery = ""
				return next.RoundTrip(clone)
			}),
			"request arrives as it was made",
		},
		"callback that is never called": {
			rttest.Subject{
				New:    subject(http.RoundTripper.RoundTrip).New,
				Hooked: func(func()) rttest.Middleware { return subject(http.RoundTripper.RoundTrip).New() },
			},
			"panicking callback leaves nothing behind",
		},
		"repeated without the body": {
			repeat(drain, func(req *http.Request) *http.Request { return req }),
			"request body arrives whole at each attempt",
		},
		"GetBody dropped": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				clone.GetBody = nil
				return next.RoundTrip(clone)
			}),
			"GetBody works below",
		},
		"body made of none": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				if clone.Body == nil {
					clone.Body = io.NopCloser(bytes.NewReader(nil))
				}
				return next.RoundTrip(clone)
			}),
			"request without a body stays one",
		},
		"request body buffered": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				return next.RoundTrip(buffered(req))
			}),
			"request body streams",
		},
		"request body read before 100 Continue": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				return next.RoundTrip(buffered(req))
			}),
			"request body waits for 100 Continue",
		},
		"discarded response leaked": {
			repeat(func(*http.Response) {}, rewind),
			"discarded responses are drained and closed",
		},
		"discarded response closed unread": {
			repeat(func(resp *http.Response) { _ = resp.Body.Close() }, rewind),
			"discarded responses are drained and closed",
		},
		"returned response closed": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if resp != nil {
					_ = resp.Body.Close()
				}
				return resp, err
			}),
			"discarded responses are drained and closed",
		},
		"drain without a time limit": {
			repeat(drain, rewind),
			"draining is bounded",
		},
		"context cancelled before the body is read": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(req.Context())
				defer cancel()
				return next.RoundTrip(req.WithContext(ctx))
			}),
			"returned body is readable after RoundTrip",
		},
		"timeout that cuts the winner's body": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithTimeout(req.Context(), time.Minute)
				context.AfterFunc(ctx, cancel)
				return next.RoundTrip(req.WithContext(ctx))
			}),
			"returned body is readable after RoundTrip",
		},
		"cut body ends well": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil {
					data, _ := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					resp.Body = io.NopCloser(bytes.NewReader(data))
				}
				return resp, err
			}),
			"cut body is an error",
		},
		"trailer lost": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil {
					clone := *resp
					clone.Trailer = resp.Trailer.Clone()
					resp = &clone
				}
				return resp, err
			}),
			"trailers arrive",
		},
		"status turned into an error": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil && resp.StatusCode == http.StatusServiceUnavailable {
					drain(resp)
					return nil, errRefused
				}
				return resp, err
			}),
			"any status has a nil error",
		},
		"response body buffered": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil && resp.StatusCode == http.StatusOK {
					data, readErr := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if readErr != nil {
						return nil, readErr
					}
					resp.Body = io.NopCloser(bytes.NewReader(data))
				}
				return resp, err
			}),
			"response body streams",
		},
		"upgraded connection wrapped": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil {
					resp.Body = struct{ io.ReadCloser }{resp.Body}
				}
				return resp, err
			}),
			"upgraded connection is writable",
		},
		"context ignored while waiting": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				time.Sleep(3 * time.Second)
				return next.RoundTrip(req)
			}),
			"cancellation ends a wait",
		},
		"cause of the cancellation lost": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Context().Err() != nil {
					return nil, errRefused
				}
				return resp, err
			}),
			"cancellation ends a wait",
		},
		"goroutine left": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				go func() { <-req.Context().Done() }()
				return next.RoundTrip(req)
			}),
			"nothing is left running",
		},
		"context left": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(req.Context())
				_ = cancel
				return next.RoundTrip(req.WithContext(ctx))
			}),
			"nothing is left running",
		},
		"request sent after the end": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Body == nil {
					time.AfterFunc(time.Minute, func() {
						if resp, err := next.RoundTrip(req); err == nil {
							drain(resp)
						}
					})
				}
				return resp, err
			}),
			"nothing is left running",
		},
		"connection lost with each answer": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil && resp.StatusCode == http.StatusServiceUnavailable && resp.ContentLength > 0 {
					_ = resp.Body.Close()
				}
				return resp, err
			}),
			"connections are reused",
		},
		"CloseIdleConnections swallowed": {
			rttest.Subject{New: func() rttest.Middleware {
				return func(next http.RoundTripper) http.RoundTripper { return rttest.Func(next.RoundTrip) }
			}},
			"CloseIdleConnections is forwarded",
		},
		"response leaked under load": {
			repeat(func(*http.Response) {}, rewind),
			"safe for concurrent use",
		},
		"panic swallowed": {
			subject(func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
				defer func() {
					if recover() != nil {
						err = errRefused
					}
				}()
				return next.RoundTrip(req)
			}),
			"panic of the transport passes through",
		},
		"lock held when the transport panics": {
			locking(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				return next.RoundTrip(req)
			}),
			"panic of the transport passes through",
		},
		"lock held when a callback panics": {
			rttest.Subject{
				New: subject(http.RoundTripper.RoundTrip).New,
				Hooked: func(callback func()) rttest.Middleware {
					return locking(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
						callback()
						return next.RoundTrip(req)
					}).New()
				},
			},
			"panicking callback leaves nothing behind",
		},
		"response leaked when a callback panics": {
			rttest.Subject{
				New: subject(http.RoundTripper.RoundTrip).New,
				Hooked: func(callback func()) rttest.Middleware {
					return subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
						resp, err := next.RoundTrip(req)
						callback()
						return resp, err
					}).New()
				},
			},
			"panicking callback leaves nothing behind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, rttest.Violations(t, tt.subject, tt.clause))
		})
	}
}

// locking holds a lock during the call and forgets it on a panic.
func locking(roundTrip func(http.RoundTripper, *http.Request) (*http.Response, error)) rttest.Subject {
	return rttest.Subject{New: func() rttest.Middleware {
		var mu sync.Mutex
		return func(next http.RoundTripper) http.RoundTripper {
			return forwarding{next: next, roundTrip: func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				mu.Lock()
				resp, err := roundTrip(next, req)
				mu.Unlock()
				return resp, err
			}}
		}
	}}
}

// buffered returns req with its body read into memory.
func buffered(req *http.Request) *http.Request {
	if req.Body == nil {
		return req
	}
	data, _ := io.ReadAll(req.Body)
	_ = req.Body.Close()
	clone := req.Clone(req.Context())
	clone.Body = io.NopCloser(bytes.NewReader(slices.Clone(data)))
	return clone
}
