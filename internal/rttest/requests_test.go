package rttest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestContractCatchesRequests(t *testing.T) {
	t.Parallel()
	catches(t, map[string]catch{
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
		"header value changed in place": {
			changing(func(req *http.Request) { req.Header["X-Twice"][0] = "9" }),
			"request is not changed",
		},
		"trailer of the caller's request changed": {
			changing(func(req *http.Request) { req.Trailer["Sum"] = []string{"9"} }),
			"request is not changed",
		},
		"form of the caller's request changed": {
			changing(func(req *http.Request) { req.Form["field"][0] = "9" }),
			"request is not changed",
		},
		"userinfo of the caller's request removed": {
			changing(func(req *http.Request) { req.URL.User = nil }),
			"request is not changed",
		},
		"caller's request changed for the time of the call": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				req.Header.Set("X-Attempt", "1")
				defer req.Header.Del("X-Attempt")
				return next.RoundTrip(req)
			}),
			"request is not changed",
		},
		"userinfo dropped below": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				clone := req.Clone(req.Context())
				clone.URL.User = nil
				return next.RoundTrip(clone)
			}),
			"request arrives as it was made",
		},
		"values of the context lost": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				deadline, _ := req.Context().Deadline()
				ctx, cancel := context.WithDeadline(context.Background(), deadline)
				defer cancel()
				return next.RoundTrip(req.WithContext(ctx))
			}),
			"request arrives as it was made",
		},
		"deadline of the context lost": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				return next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
			}),
			"request arrives as it was made",
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
		"repeated without the body": {
			repeat(drain, func(req *http.Request) *http.Request { return req }),
			"request body arrives whole at each attempt",
		},
		"repeated with what was read of the body": {
			subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				var read bytes.Buffer
				first := req.Clone(req.Context())
				if req.Body != nil {
					first.Body = struct {
						io.Reader
						io.Closer
					}{io.TeeReader(req.Body, &read), req.Body}
				}
				resp, err := next.RoundTrip(first)
				if err != nil || resp.StatusCode < 500 {
					return resp, err
				}
				drain(resp)
				second := req.Clone(req.Context())
				second.Body = io.NopCloser(&read)
				return next.RoundTrip(second)
			}),
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
	})
}

// changing changes the caller's request.
func changing(change func(*http.Request)) rttest.Subject {
	return subject(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		change(req)
		return next.RoundTrip(req)
	})
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
