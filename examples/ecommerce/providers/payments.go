package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Payments takes charges, and refunds of all that an order was charged. It honours the
// Idempotency-Key header: a key that comes again gets the first answer again. Without a
// key each call is new.
//
// That the money is there it tells by a webhook, soon after the answer to the charge.
type Payments struct {
	*server
	notifier *notifier

	mu      sync.Mutex
	replays replays
	made    int                  // charges
	charges map[string][]*charge // by order
	ended   map[string]bool      // orders that were paid back: a late charge is refused
	ledger  map[string]Account
}

// Account is what the ledger says about one order. The zero value is an order that
// nobody was charged for.
type Account struct {
	Charges int // how often the order was charged
	Refunds int // how many of these charges were paid back
}

type charge struct {
	ID       string `json:"id"`
	Order    string `json:"order"`
	Amount   int64  `json:"amount"`
	Status   string `json:"status"`
	currency string
}

type chargeRequest struct {
	Order    string `json:"order"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type refundRequest struct {
	Order string `json:"order"`
}

func startPayments(ctx context.Context, plan Plan, perSecond int, hook Hook) (*Payments, error) {
	p := &Payments{replays: replays{}, charges: map[string][]*charge{}, ended: map[string]bool{}, ledger: map[string]Account{}}
	var err error
	if p.notifier, err = newNotifier(plan, hook); err != nil {
		return p, err
	}
	s, err := listen(ctx, "payments", plan, perSecond, func(mux *http.ServeMux, s *server) {
		mux.Handle("POST /v1/charges", s.handle(p.charge))
		mux.Handle("POST /v1/refunds", s.handle(p.refund))
	})
	p.server = s
	return p, err
}

// Account returns what the ledger says about an order.
func (p *Payments) Account(order string) Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger[order]
}

// Webhooks returns what was sent to the shop.
func (p *Payments) Webhooks() Webhooks {
	p.notifier.mu.Lock()
	defer p.notifier.mu.Unlock()
	return p.notifier.stats
}

func (p *Payments) charge(r *http.Request) (task, error) {
	var req chargeRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return task{}, err
	}
	if req.Order == "" || req.Amount <= 0 || req.Currency == "" {
		return task{}, errors.New("a charge needs an order, a currency and an amount above 0")
	}
	key := r.Header.Get("Idempotency-Key")
	return task{"charge", req.Order, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.replays.once(key, req, func() answer {
			if p.ended[req.Order] {
				return refuse(http.StatusConflict, "this order was paid back")
			}
			p.made++
			c := &charge{
				ID:       fmt.Sprintf("ch_%06d", p.made),
				Order:    req.Order,
				Amount:   req.Amount,
				Status:   "pending",
				currency: req.Currency,
			}
			p.charges[c.Order] = append(p.charges[c.Order], c)
			account := p.ledger[c.Order]
			account.Charges++
			p.ledger[c.Order] = account
			p.notifier.tell("pending", c)
			p.notifier.tell("settled", c)
			return reply(http.StatusCreated, c)
		})
	}}, nil
}

func (p *Payments) refund(r *http.Request) (task, error) {
	var req refundRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return task{}, err
	}
	if req.Order == "" {
		return task{}, errors.New("a refund needs an order")
	}
	key := r.Header.Get("Idempotency-Key")
	return task{"refund", req.Order, func() answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.replays.once(key, req, func() answer {
			if !p.ended[req.Order] {
				p.ended[req.Order] = true
				account := p.ledger[req.Order]
				account.Refunds = account.Charges
				p.ledger[req.Order] = account
				for _, c := range p.charges[req.Order] {
					p.notifier.tell("returned", c)
				}
			}
			return reply(http.StatusCreated, req)
		})
	}}, nil
}
