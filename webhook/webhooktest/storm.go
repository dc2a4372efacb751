package webhooktest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Storm gives a handler copies of a request, all at once, as a provider does
// that has heard nothing, and returns the answers. The request needs a GetBody,
// as those of [Signer.Request] have; it is left as it is. Each copy has a body of
// its own. A panic of h ends the program.
func Storm(h http.Handler, req *http.Request, copies int) ([]*http.Response, error) {
	if req.GetBody == nil {
		return nil, errors.New("webhooktest: the request has no GetBody")
	}
	requests := make([]*http.Request, max(0, copies))
	for i := range requests {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("webhooktest: %w", err)
		}
		requests[i] = req.Clone(req.Context())
		requests[i].Body = body
	}
	answers := make([]*http.Response, len(requests))
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i, req := range requests {
		all.Go(func() {
			<-begin
			recorder := httptest.NewRecorder()
			h.ServeHTTP(recorder, req)
			answers[i] = recorder.Result()
		})
	}
	close(begin)
	all.Wait()
	return answers, nil
}
