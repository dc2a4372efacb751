package providers

import (
	"context"
	"errors"
	"maps"
)

// The rate limits that the providers' manuals name, in calls per second of the clock.
const (
	PaymentsPerSecond  = 150
	ShippingPerSecond  = 300
	InventoryPerSecond = 300
	AnalyticsPerSecond = 20
)

// World is the four providers, running. Make one with [Start] and end it with
// [World.Close]. Its providers are safe for concurrent use.
type World struct {
	Payments  *Payments
	Shipping  *Shipping
	Inventory *Inventory
	Analytics *Analytics
}

// Start starts four providers that fail by the plan, on free loopback ports, with
// empty books and a copy of the given stock in pieces by SKU. A plan of level None
// has no rate limits either. Webhooks go to hook. Once Start has returned, ctx means
// nothing to the world.
func Start(ctx context.Context, plan Plan, stock map[string]int, hook Hook) (*World, error) {
	w := &World{}
	var errs [4]error
	w.Payments, errs[0] = startPayments(ctx, plan, plan.Quota(PaymentsPerSecond), hook)
	w.Shipping, errs[1] = startShipping(ctx, plan, plan.Quota(ShippingPerSecond))
	w.Inventory, errs[2] = startInventory(ctx, plan, plan.Quota(InventoryPerSecond), maps.Clone(stock))
	w.Analytics, errs[3] = startAnalytics(ctx, plan, plan.Quota(AnalyticsPerSecond))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, w.Close(ctx))
	}
	return w, nil
}

// Close waits for the calls that are in work and for the webhooks that the shop has not
// taken yet, for as long as ctx allows, and stops the providers. The books stay readable, and change no more.
func (w *World) Close(ctx context.Context) error {
	var errs []error
	for _, s := range []*server{w.Payments.server, w.Shipping.server, w.Inventory.server, w.Analytics.server} {
		if s != nil {
			errs = append(errs, s.close(ctx))
		}
	}
	if n := w.Payments.notifier; n != nil {
		n.close(ctx)
	}
	return errors.Join(errs...)
}
