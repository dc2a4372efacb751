package providers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
)

// Analytics takes events in batches. An event whose id came before is not counted
// again, so that a batch may be sent twice.
type Analytics struct {
	*server

	mu     sync.Mutex
	events map[string]struct{}
}

type batchRequest struct {
	Batch  string `json:"batch"`
	Events []struct {
		ID string `json:"id"`
	} `json:"events"`
}

type batchAnswer struct {
	Accepted int `json:"accepted"`
}

func startAnalytics(ctx context.Context, plan Plan, perSecond int) (*Analytics, error) {
	p := &Analytics{events: map[string]struct{}{}}
	s, err := listen(ctx, "analytics", plan, perSecond, func(mux *http.ServeMux, s *server) {
		mux.Handle("POST /v1/events", s.handle(p.post))
	})
	p.server = s
	return p, err
}

// Events returns how many different events came in.
func (p *Analytics) Events() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

func (p *Analytics) post(r *http.Request) (task, error) {
	var req batchRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return task{}, err
	}
	if req.Batch == "" || len(req.Events) == 0 {
		return task{}, errors.New("a batch needs an id and at least one event")
	}
	return task{"events", req.Batch, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range req.Events {
			p.events[e.ID] = struct{}{}
		}
		return reply(http.StatusAccepted, batchAnswer{len(req.Events)})
	}}, nil
}
