package shop

import (
	"context"
	"net/http"
)

// idempotencyKey is the header that makes a POST safe to repeat. The provider does the
// work of a key once; the retry policy sees the header and knows that it may try again.
const idempotencyKey = "Idempotency-Key"

// payments calls the provider that charges customers.
type payments struct {
	url    string
	client *http.Client
}

// charge charges the customer of an order and returns the id of the charge. The key
// comes from the order, so it is the same for each attempt, and would be even after
// a restart of the shop.
func (p payments) charge(ctx context.Context, o Order) (id string, err error) {
	req, err := request(ctx, http.MethodPost, p.url+"/v1/charges", map[string]any{
		"order":    o.ID,
		"amount":   o.Amount,
		"currency": o.Currency,
	})
	if err != nil {
		return "", err
	}
	req.Header.Set(idempotencyKey, "charge-"+o.ID)
	var answer struct {
		ID string `json:"id"`
	}
	err = do(p.client, req, "payments: charge", &answer)
	return answer.ID, err
}

// refund pays back whatever an order was charged, be it nothing, and ends the order: a
// charge that is still on its way is refused. It names the order, since the id of the
// charge is not known when its answer was lost.
func (p payments) refund(ctx context.Context, o Order) error {
	req, err := request(ctx, http.MethodPost, p.url+"/v1/refunds", map[string]any{"order": o.ID})
	if err != nil {
		return err
	}
	req.Header.Set(idempotencyKey, "refund-"+o.ID)
	return do(p.client, req, "payments: refund", nil)
}
