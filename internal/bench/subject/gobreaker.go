package subject

import (
	"errors"
	"net/http"

	"github.com/sony/gobreaker/v2"
)

// Gobreaker is one circuit of gobreaker, for whatever host, that each call goes
// through by Execute. Unlike holdfast's it counts a call before its body was
// read, and one that its caller has cancelled as a failure.
func Gobreaker() Subject {
	return Subject{Name: "gobreaker", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return newExecutor(next)
	}}
}

// GobreakerTwoStep is [Gobreaker] with Allow before the call and a report after
// it. A call that panics is never reported.
func GobreakerTwoStep() Subject {
	return Subject{Name: "gobreaker-two-step", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return &twoStep{next: next, circuit: gobreaker.NewTwoStepCircuitBreaker[*http.Response](circuitSettings())}
	}}
}

func circuitSettings() gobreaker.Settings {
	return gobreaker.Settings{
		Interval:     window,
		BucketPeriod: window / windowBuckets,
		Timeout:      openTimeout,
		ReadyToTrip:  readyToTrip,
	}
}

func readyToTrip(n gobreaker.Counts) bool {
	return n.Requests >= minCalls && n.TotalFailures == n.Requests
}

type executor struct {
	next    http.RoundTripper
	circuit *gobreaker.CircuitBreaker[*http.Response]
}

func newExecutor(next http.RoundTripper) *executor {
	return &executor{next: next, circuit: gobreaker.NewCircuitBreaker[*http.Response](circuitSettings())}
}

// errServer tells a circuit of an answer that counts as a failure.
var errServer = errors.New("server error")

// RoundTrip sends req if the circuit lets it.
func (e *executor) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := e.circuit.Execute(func() (*http.Response, error) {
		resp, err := e.next.RoundTrip(req)
		if err == nil && resp.StatusCode >= http.StatusInternalServerError {
			err = errServer
		}
		return resp, err
	})
	switch {
	case errors.Is(err, errServer):
		return resp, nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		closeBody(req)
	}
	return resp, err
}

type twoStep struct {
	next    http.RoundTripper
	circuit *gobreaker.TwoStepCircuitBreaker[*http.Response]
}

// RoundTrip sends req if the circuit lets it.
func (s *twoStep) RoundTrip(req *http.Request) (*http.Response, error) {
	done, err := s.circuit.Allow()
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := s.next.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusInternalServerError {
		done(errServer)
	} else {
		done(err)
	}
	return resp, err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
