package trial

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
	"github.com/holdfast-go/holdfast/examples/payments/ledger"
)

// Report is the result of a run: one entry for each shop, on the same faults.
type Report struct {
	Orders int             `json:"orders"`
	Seed   uint64          `json:"seed"`
	Faults providers.Level `json:"faults"`
	Shops  []Result        `json:"shops"`
}

// Result is how one shop did. Completed and Lost add up to the orders of the run.
type Result struct {
	Shop             string           `json:"shop"`
	Completed        int              `json:"completed"`         // reserved once, charged once and shipped
	Unconfirmed      int              `json:"unconfirmed"`       // completed, but the customer was told otherwise
	Lost             int              `json:"lost"`              // all others
	PaidNotShipped   int              `json:"paid_not_shipped"`  // lost, and the customer's money is gone
	ShippedNotPaid   int              `json:"shipped_not_paid"`  // lost, and the goods are gone
	DoubleCharges    int              `json:"double_charges"`    // charges above the first for the same order
	ConfirmedOnce    int              `json:"confirmed_once"`    // orders whose payment the shop booked once
	ConfirmedMore    int              `json:"confirmed_more"`    // orders whose payment it booked more than once
	WrongBooks       int              `json:"wrong_books"`       // orders whose payments and refunds it did not book as they are
	EventsLost       int              `json:"events_lost"`       // analytics events that did not arrive
	Calls            int              `json:"calls"`             // calls that reached a provider
	TooManyRequests  int              `json:"too_many_requests"` // calls answered with 429
	P50Milliseconds  float64          `json:"p50_ms"`            // time of a confirmed order
	P99Milliseconds  float64          `json:"p99_ms"`            // 0 if there was none
	TookMilliseconds float64          `json:"took_ms"`           // all orders together
	Providers        []ProviderResult `json:"providers"`

	Webhooks providers.Webhooks `json:"webhooks"` // that the payment provider sent
}

// ProviderResult is what one provider saw of a shop.
type ProviderResult struct {
	Provider string `json:"provider"`
	providers.Stats
}

// Flawless says whether the shop with holdfast lost no order, charged nobody twice and
// booked each payment and refund once.
func (r Report) Flawless() bool {
	return !slices.ContainsFunc(r.Shops, func(s Result) bool {
		return s.Shop == Holdfast && (s.Lost > 0 || s.DoubleCharges > 0 || s.WrongBooks > 0)
	})
}

// score reads from the books what became of the orders. What the shop believes counts
// only for whether its customers got a confirmation; its own books are compared with
// those of the payment provider.
func score(ctx context.Context, name string, w *providers.World, desk shop.Desk, placed []placement, took time.Duration) (Result, error) {
	r := Result{Shop: name, TookMilliseconds: milliseconds(took)}
	var confirmed []time.Duration
	for _, p := range placed {
		entries, err := desk.Entries(ctx, p.order.ID)
		if err != nil {
			return Result{}, err
		}
		r.add(w, p, entries)
		if p.err == nil {
			confirmed = append(confirmed, p.took)
		}
	}
	slices.Sort(confirmed)
	r.P50Milliseconds = milliseconds(percentile(confirmed, 50))
	r.P99Milliseconds = milliseconds(percentile(confirmed, 99))
	r.EventsLost = shop.EventsPerOrder*len(placed) - w.Analytics.Events()
	r.Providers = []ProviderResult{
		{"inventory", w.Inventory.Stats()},
		{"payments", w.Payments.Stats()},
		{"shipping", w.Shipping.Stats()},
		{"analytics", w.Analytics.Stats()},
	}
	for _, p := range r.Providers {
		r.Calls += p.Calls
		r.TooManyRequests += p.TooManyRequests
	}
	r.Webhooks = w.Payments.Webhooks()
	return r, nil
}

// add counts one order, and what the shop has booked for it.
func (r *Result) add(w *providers.World, p placement, entries []ledger.Entry) {
	account := w.Payments.Account(p.order.ID)
	shipped := w.Shipping.Shipped(p.order.ID)
	booked := r.compare(account, p.order, entries)
	paid := account.Charges - account.Refunds
	if w.Inventory.Reservations(p.order.ID) == 1 && account == (providers.Account{Charges: 1}) && booked > 0 && shipped {
		r.Completed++
		if p.err != nil {
			r.Unconfirmed++
		}
	} else {
		r.Lost++
		switch {
		case paid > 0 && !shipped:
			r.PaidNotShipped++
		case paid == 0 && shipped:
			r.ShippedNotPaid++
		}
	}
	r.DoubleCharges += max(0, account.Charges-1)
}

// compare compares what the shop has booked for an order with what the payment provider
// did. It returns how many payments are booked.
func (r *Result) compare(account providers.Account, o shop.Order, entries []ledger.Entry) int {
	booked := providers.Account{}
	right := true
	for _, e := range entries {
		switch e.Amount {
		case o.Amount:
			booked.Charges++
		case -o.Amount:
			booked.Refunds++
		default:
			right = false
		}
	}
	if !right || booked != account {
		r.WrongBooks++
	}
	switch {
	case booked.Charges == 1:
		r.ConfirmedOnce++
	case booked.Charges > 1:
		r.ConfirmedMore++
	}
	return booked.Charges
}

// percentile returns the smallest of the sorted values that p percent of them do not
// exceed, or 0 if there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*p+99)/100-1]
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
