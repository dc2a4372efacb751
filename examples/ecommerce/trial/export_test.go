package trial

import (
	"context"

	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
	"github.com/holdfast-go/holdfast/webhook"
)

// Percentile is how the times of orders are summed up.
var Percentile = percentile

// RunHoldfast runs the shop with holdfast alone, with clients and a desk of the test's
// own. A nil desk is the shop's.
func RunHoldfast(ctx context.Context, cfg Config, clients shop.Clients, desk func(*webhook.Verifier) (shop.Desk, error)) (Report, error) {
	c := contestants()[1]
	c.clients = func(shop.Providers) (shop.Clients, error) { return clients, nil }
	if desk != nil {
		c.desk = func(_ context.Context, _ string, v *webhook.Verifier) (shop.Desk, error) { return desk(v) }
	}
	result, err := run(ctx, cfg, c)
	return Report{Orders: cfg.Orders, Shops: []Result{result}}, err
}
