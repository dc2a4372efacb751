package subject

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/time/rate"
)

// Glue is what a program writes for itself with the libraries that holdfast
// uses too: per host a rate.Limiter and a circuit breaker, and a loop around
// them that waits as the server or a schedule of package backoff says.
//
// It does less than holdfast. Hosts are never forgotten, a body without GetBody
// is sent once, the call counts before its body was read, and a server's
// Retry-After stops one call instead of all.
func Glue() Subject {
	return Subject{Name: "glue", Wrap: func(next http.RoundTripper) http.RoundTripper { return newGlue(next) }}
}

// GlueLoop is the glue of somebody who has measured it: the loop is written out,
// and makes its schedule when an attempt has failed.
func GlueLoop() Subject {
	return Subject{Name: "glue-loop", Wrap: func(next http.RoundTripper) http.RoundTripper { return &glueLoop{newGlue(next)} }}
}

// exponential makes a schedule as programs do, at the top of each call, but
// with delays of nothing.
func exponential() backoff.BackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(0))
}

type glue struct {
	next     http.RoundTripper
	schedule func() backoff.BackOff

	mu    sync.Mutex
	hosts map[string]*host
}

func newGlue(next http.RoundTripper) *glue {
	return &glue{next: next, schedule: exponential, hosts: make(map[string]*host)}
}

type host struct {
	limiter *rate.Limiter
	circuit *executor
}

// RoundTrip sends req up to three times.
func (g *glue) RoundTrip(req *http.Request) (*http.Response, error) {
	h, ctx := g.host(req.URL.Host), req.Context()
	attempt := 0
	send := func() (*http.Response, error) {
		attempt++
		if attempt > 1 {
			again, err := rewound(req)
			if err != nil {
				return nil, backoff.Permanent(err)
			}
			req = again
		}
		resp, err := h.send(req)
		switch {
		case !retryable(req, resp, err):
			if err != nil {
				err = backoff.Permanent(err)
			}
			return resp, err
		case err != nil:
			return nil, err
		case attempt == Attempts:
			return resp, nil
		}
		delay := retryAfter(resp.Header)
		discard(resp)
		if err := sleep(ctx, delay); err != nil {
			return nil, backoff.Permanent(err)
		}
		return nil, errServer
	}
	return backoff.RetryWithData(send, backoff.WithContext(backoff.WithMaxRetries(g.schedule(), Attempts-1), ctx))
}

type glueLoop struct{ *glue }

// RoundTrip sends req up to three times.
func (g *glueLoop) RoundTrip(req *http.Request) (*http.Response, error) {
	h, ctx := g.host(req.URL.Host), req.Context()
	var schedule backoff.BackOff
	for attempt := 1; ; attempt++ {
		resp, err := h.send(req)
		if attempt == Attempts || !retryable(req, resp, err) {
			return resp, err
		}
		if schedule == nil {
			schedule = g.schedule()
		}
		delay := schedule.NextBackOff()
		if err == nil {
			delay = max(delay, retryAfter(resp.Header))
			discard(resp)
		}
		if err := sleep(ctx, delay); err != nil {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// host returns the state of a host, made when it is seen first.
func (g *glue) host(name string) *host {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hosts[name]
	if h == nil {
		h = &host{limiter: rate.NewLimiter(perSecond, burst), circuit: newExecutor(g.next)}
		g.hosts[name] = h
	}
	return h
}

// send makes one attempt.
func (h *host) send(req *http.Request) (*http.Response, error) {
	if err := wait(h.limiter, req); err != nil {
		return nil, err
	}
	return h.circuit.RoundTrip(req)
}

// retryable reports whether req can be sent again, and may get a better answer.
func retryable(req *http.Request, resp *http.Response, err error) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions:
	default:
		return false
	}
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	if err != nil {
		return req.Context().Err() == nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// rewound returns req with a body that has not been read.
func rewound(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := req.WithContext(req.Context())
	again.Body = body
	return again, nil
}

// retryAfter reads either form of Retry-After, and takes no more than a minute.
func retryAfter(header http.Header) time.Duration {
	const limit = time.Minute
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, limit)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(time.Until(at), limit)
	}
	return 0
}

// discard empties an answer that nobody wants, so that its connection lives.
func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
