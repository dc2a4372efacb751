package shop

import (
	"context"
	"net/http"
	"net/url"
)

// shipping calls the provider that brings the parcels.
type shipping struct {
	url    string
	client *http.Client
}

// create makes the shipment of an order. It is a PUT to an address that the shop
// chose: doing it twice is doing it once, so it needs no key to be repeated.
func (s shipping) create(ctx context.Context, o Order) error {
	req, err := request(ctx, http.MethodPut, s.address(o.ID), map[string]any{
		"sku":      o.SKU,
		"quantity": o.Quantity,
	})
	if err != nil {
		return err
	}
	return do(s.client, req, "shipping: create", nil)
}

// cancel sees to it that no parcel goes out, be there a shipment or not. A DELETE is
// idempotent by its method, too.
func (s shipping) cancel(ctx context.Context, o Order) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.address(o.ID), http.NoBody)
	if err != nil {
		return err
	}
	return do(s.client, req, "shipping: cancel", nil)
}

// tracking returns the number by which the customer can follow the parcel.
func (s shipping) tracking(ctx context.Context, orderID string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(orderID), http.NoBody)
	if err != nil {
		return "", err
	}
	var answer struct {
		Tracking string `json:"tracking"`
	}
	err = do(s.client, req, "shipping: status", &answer)
	return answer.Tracking, err
}

func (s shipping) address(orderID string) string {
	return s.url + "/v1/shipments/" + url.PathEscape(orderID)
}
