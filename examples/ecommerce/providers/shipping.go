package providers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
)

// Shipping makes shipments. The caller names them, so that creating one is a PUT:
// the second PUT finds what the first one left. A DELETE ends one, also one that is
// still to come: a PUT that is late makes none.
type Shipping struct {
	*server

	mu        sync.Mutex
	shipments map[string]shipment // by order
}

type shipment struct {
	Order    string `json:"order"`
	Tracking string `json:"tracking"`
	Status   string `json:"status"`
}

type shipmentRequest struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

func startShipping(ctx context.Context, plan Plan, perSecond int) (*Shipping, error) {
	p := &Shipping{shipments: map[string]shipment{}}
	s, err := listen(ctx, "shipping", plan, perSecond, func(mux *http.ServeMux, s *server) {
		mux.Handle("PUT /v1/shipments/{order}", s.handle(p.put))
		mux.Handle("DELETE /v1/shipments/{order}", s.handle(p.cancel))
		mux.Handle("GET /v1/shipments/{order}", s.handle(p.get))
	})
	p.server = s
	return p, err
}

// cancelled is the status of a shipment that does not go out.
const cancelled = "cancelled"

// Shipped says whether there is a shipment for an order that goes out.
func (p *Shipping) Shipped(order string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.shipments[order]
	return ok && s.Status != cancelled
}

func (p *Shipping) put(r *http.Request) (task, error) {
	var req shipmentRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return task{}, err
	}
	if req.SKU == "" || req.Quantity <= 0 {
		return task{}, errors.New("a shipment needs a sku and a quantity above 0")
	}
	order := r.PathValue("order")
	return task{"create", order, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		s, ok := p.shipments[order]
		if !ok {
			s = shipment{Order: order, Tracking: "TRK-" + order, Status: "label_created"}
			p.shipments[order] = s
		}
		if s.Status == cancelled {
			return refuse(http.StatusConflict, "this shipment was cancelled")
		}
		return reply(http.StatusOK, s)
	}}, nil
}

func (p *Shipping) cancel(r *http.Request) (task, error) {
	order := r.PathValue("order")
	return task{"cancel", order, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		s := p.shipments[order]
		s.Order, s.Status = order, cancelled
		p.shipments[order] = s
		return reply(http.StatusOK, s)
	}}, nil
}

func (p *Shipping) get(r *http.Request) (task, error) {
	order := r.PathValue("order")
	return task{"status", order, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		s, ok := p.shipments[order]
		if !ok {
			return refuse(http.StatusNotFound, "there is no such shipment")
		}
		return reply(http.StatusOK, s)
	}}, nil
}
