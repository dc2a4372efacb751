package rttest_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestContractCatchesLifetime(t *testing.T) {
	t.Parallel()
	catches(t, map[string]catch{
		"callback that is never called": {
			rttest.Subject{
				New:    subject(http.RoundTripper.RoundTrip).New,
				Hooked: func(func()) rttest.Middleware { return subject(http.RoundTripper.RoundTrip).New() },
			},
			"panicking callback leaves nothing behind",
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
		"context left if the answer is not read": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(req.Context())
				resp, err := next.RoundTrip(req.WithContext(ctx))
				if err != nil || resp.Body == http.NoBody {
					cancel()
					return resp, err
				}
				resp.Body = &telling{ReadCloser: resp.Body, end: cancel}
				return resp, nil
			}),
			"nothing is left running",
		},
		"late answer leaked": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				answers := make(chan *http.Response, 1)
				go func() {
					resp, _ := next.RoundTrip(req)
					answers <- resp
				}()
				select {
				case resp := <-answers:
					return resp, nil
				case <-req.Context().Done():
					return nil, context.Cause(req.Context())
				}
			}),
			"late answers are closed",
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
	})
}

// telling calls end when its body has been read.
type telling struct {
	io.ReadCloser
	end func()
}

func (b *telling) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
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
