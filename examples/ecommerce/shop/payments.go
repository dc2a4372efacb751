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

// refund pays a charge back.
func (p payments) refund(ctx context.Context, chargeID string) error {
	req, err := request(ctx, http.MethodPost, p.url+"/v1/refunds", map[string]any{"charge": chargeID})
	if err != nil {
		return err
	}
	req.Header.Set(idempotencyKey, "refund-"+chargeID)
	return do(p.client, req, "payments: refund", nil)
}
