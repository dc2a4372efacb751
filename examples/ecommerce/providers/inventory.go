package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Inventory is a GraphQL endpoint with one query, stock, and two mutations, reserve
// and release. A mutation whose clientMutationId comes again is not done again. It
// goes by the operation name and does not parse the document.
type Inventory struct {
	*server

	mu       sync.Mutex
	replays  replays
	stock    map[string]int
	reserved map[string][]reservation // by order
}

type reservation struct {
	sku      string
	quantity int
}

type graphqlRequest struct {
	OperationName string `json:"operationName"`
	Query         string `json:"query"`
	Variables     struct {
		SKU   string        `json:"sku"`
		Input mutationInput `json:"input"`
	} `json:"variables"`
}

type mutationInput struct {
	ClientMutationID string `json:"clientMutationId"`
	Order            string `json:"order"`
	SKU              string `json:"sku"`
	Quantity         int    `json:"quantity"`
}

func startInventory(ctx context.Context, plan Plan, perSecond int, stock map[string]int) (*Inventory, error) {
	p := &Inventory{replays: replays{}, stock: stock, reserved: map[string][]reservation{}}
	s, err := listen(ctx, "inventory", plan, perSecond, func(mux *http.ServeMux, s *server) {
		mux.Handle("POST /graphql", s.handle(p.query))
	})
	p.server = s
	return p, err
}

// Reservations returns how many reservations an order holds.
func (p *Inventory) Reservations(order string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.reserved[order])
}

// Stock returns how many pieces of a SKU are free.
func (p *Inventory) Stock(sku string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stock[sku]
}

func (p *Inventory) query(r *http.Request) (task, error) {
	var req graphqlRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return task{}, err
	}
	in := req.Variables.Input
	switch req.OperationName {
	case "Stock":
		// The plan goes by the order that asks, and a query for stock knows of none:
		// the caller names it in the header that many APIs have for this.
		return task{"stock", r.Header.Get("X-Request-Id"), func() answer {
			return data("stock", map[string]any{"available": p.Stock(req.Variables.SKU)})
		}}, nil
	case "Reserve":
		if in.Order == "" || in.SKU == "" || in.Quantity <= 0 {
			return task{}, errors.New("a reservation needs an order, a sku and a quantity above 0")
		}
		return task{"reserve", in.Order, func() answer { return p.mutate(in, p.reserve) }}, nil
	case "Release":
		return task{"release", in.Order, func() answer { return p.mutate(in, p.release) }}, nil
	default:
		return task{}, fmt.Errorf("there is no operation %q", req.OperationName)
	}
}

func (p *Inventory) mutate(in mutationInput, work func(mutationInput) answer) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.replays.once(in.ClientMutationID, in, func() answer { return work(in) })
}

func (p *Inventory) reserve(in mutationInput) answer {
	if p.stock[in.SKU] < in.Quantity {
		return reply(http.StatusOK, map[string]any{"errors": []any{map[string]any{
			"message":    "not enough in stock",
			"extensions": map[string]any{"code": "OUT_OF_STOCK"},
		}}})
	}
	p.stock[in.SKU] -= in.Quantity
	p.reserved[in.Order] = append(p.reserved[in.Order], reservation{in.SKU, in.Quantity})
	return data("reserve", map[string]any{"order": in.Order, "clientMutationId": in.ClientMutationID})
}

func (p *Inventory) release(in mutationInput) answer {
	for _, held := range p.reserved[in.Order] {
		p.stock[held.sku] += held.quantity
	}
	delete(p.reserved, in.Order)
	return data("release", map[string]any{"order": in.Order, "clientMutationId": in.ClientMutationID})
}

// data is the answer of a GraphQL operation that worked.
func data(field string, value any) answer {
	return reply(http.StatusOK, map[string]any{"data": map[string]any{field: value}})
}
