package shop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	orderTimeout = time.Minute      // all calls of one order together
	undoTimeout  = 10 * time.Second // taking back the steps of an order that failed
)

// EventsPerOrder is how many events the shop tracks for an order.
const EventsPerOrder = 2

// ErrOutOfStock means that the warehouse has too few pieces for an order. Nothing was
// reserved and nothing charged.
var ErrOutOfStock = errors.New("shop: out of stock")

// ErrUnconfirmed means that an order is reserved, charged and on its way, and that the
// customer could not be told the tracking number.
var ErrUnconfirmed = errors.New("shop: order not confirmed")

// Order is what a customer wants. Its ID is the root of all idempotency keys: two
// orders must never share one, and one that failed is placed again under a new one.
type Order struct {
	ID       string
	SKU      string
	Quantity int    // pieces, at least 1
	Amount   int64  // in the smallest unit of the currency, above 0
	Currency string // ISO 4217, such as EUR
}

// Receipt is what a customer gets.
type Receipt struct {
	Charge   string // id of the charge
	Tracking string // number of the parcel
}

// Shop places orders. Make one with [Open] and end it with [Shop.Close]. It is safe for
// concurrent use.
type Shop struct {
	inventory inventory
	payments  payments
	shipping  shipping
	analytics *analytics
	desk      Desk

	abandon context.CancelFunc // ends the analytics calls
	closing sync.Once
}

// Open returns a shop that calls the providers through the clients and hears of payments
// at the desk, and starts the goroutine that sends its events. It makes no call itself.
func Open(p Providers, c Clients, d Desk) *Shop {
	ctx, abandon := context.WithCancel(context.Background())
	s := &Shop{
		inventory: inventory{p.Inventory.URL, c.Inventory},
		payments:  payments{p.Payments.URL, c.Payments},
		shipping:  shipping{p.Shipping.URL, c.Shipping},
		analytics: newAnalytics(p.Analytics.URL, c.Analytics),
		desk:      d,
		abandon:   abandon,
	}
	go s.analytics.run(ctx)
	return s
}

// Close sends the events that are left, for as long as ctx allows, and ends the shop.
// Its error is a [*LostEventsError]. Place must not be called after it.
func (s *Shop) Close(ctx context.Context) error {
	s.closing.Do(func() { close(s.analytics.stop) })
	defer context.AfterFunc(ctx, s.abandon)()
	<-s.analytics.done
	s.abandon()
	return s.analytics.result()
}

// Place reserves and charges an order, ships it when the payment provider has told by
// webhook that it is paid, and confirms it with a receipt. When a step fails, it and
// the steps before it are taken back, except that an order which is on its way stands
// and gives [ErrUnconfirmed]. It takes at most a little over a minute.
func (s *Shop) Place(ctx context.Context, o Order) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	s.analytics.track(o.ID, "order.placed")
	receipt, err := s.place(ctx, o)
	switch {
	case err == nil:
		s.analytics.track(o.ID, "order.confirmed")
		return receipt, nil
	case errors.Is(err, ErrUnconfirmed):
		s.analytics.track(o.ID, "order.unconfirmed")
	default:
		s.analytics.track(o.ID, "order.failed")
	}
	return Receipt{}, fmt.Errorf("shop: order %s: %w", o.ID, err)
}

// place takes back also the step that failed: its error says that there is no answer, and
// not that nothing was done.
func (s *Shop) place(ctx context.Context, o Order) (Receipt, error) {
	free, err := s.inventory.available(ctx, o)
	if err != nil {
		return Receipt{}, err
	}
	if free < o.Quantity {
		return Receipt{}, ErrOutOfStock
	}
	if err := s.inventory.reserve(ctx, o); err != nil {
		return Receipt{}, undo(ctx, o, err, s.inventory.release)
	}
	charge, err := s.payments.charge(ctx, o)
	if err != nil {
		return Receipt{}, undo(ctx, o, err, s.payments.refund, s.inventory.release)
	}
	if err := s.desk.Await(ctx, o.ID); err != nil {
		err = fmt.Errorf("payments: not confirmed: %w", err)
		return Receipt{}, undo(ctx, o, err, s.payments.refund, s.inventory.release)
	}
	if err := s.shipping.create(ctx, o); err != nil {
		return Receipt{}, undo(ctx, o, err, s.shipping.cancel, s.payments.refund, s.inventory.release)
	}
	tracking, err := s.shipping.tracking(ctx, o.ID)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return Receipt{Charge: charge, Tracking: tracking}, nil
}

// undo takes back the steps of an order that failed with cause. A caller who went away
// does not stop it. The error is cause and whatever could not be taken back, which is
// for somebody to look at.
func undo(ctx context.Context, o Order, cause error, steps ...func(context.Context, Order) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	errs := []error{cause}
	for _, back := range steps {
		errs = append(errs, back(ctx, o))
	}
	return errors.Join(errs...)
}
