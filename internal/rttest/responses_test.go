package rttest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestContractCatchesResponses(t *testing.T) {
	t.Parallel()
	catches(t, map[string]catch{
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
		"drain without a bound": {
			repeat(func(resp *http.Response) {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}, rewind),
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
		"length of an answer lost": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil {
					resp.ContentLength = -1
				}
				return resp, err
			}),
			"any status has a nil error",
		},
		"upgraded connection not closed for writing": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil {
					resp.Body = struct{ io.ReadWriteCloser }{resp.Body.(io.ReadWriteCloser)}
				}
				return resp, err
			}),
			"upgraded connection is writable",
		},
		"field set in a header that is not there": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				clone.Header.Set("X-Attempt", "1")
				return next.RoundTrip(clone)
			}),
			"bare requests and answers are no reason to panic",
		},
		"body of an answer that has none": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err == nil && resp.StatusCode == http.StatusServiceUnavailable {
					drain(resp)
				}
				return resp, err
			}),
			"bare requests and answers are no reason to panic",
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
	})
}
