package subject

import (
	"net/http"

	"golang.org/x/time/rate"
)

// Rate is one limiter of golang.org/x/time/rate, for whatever host, that each
// call waits for. It learns nothing from the answers.
func Rate() Subject {
	return Subject{Name: "x-time-rate", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return &waiter{next: next, limiter: rate.NewLimiter(perSecond, burst)}
	}}
}

type waiter struct {
	next    http.RoundTripper
	limiter *rate.Limiter
}

// RoundTrip sends req when the limiter lets it.
func (w *waiter) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := wait(w.limiter, req); err != nil {
		return nil, err
	}
	return w.next.RoundTrip(req)
}

// wait returns when limiter lets req go. If it never will, the body is closed.
func wait(limiter *rate.Limiter, req *http.Request) error {
	err := limiter.Wait(req.Context())
	if err != nil {
		closeBody(req)
	}
	return err
}
