// Package trial places the same orders on the same faults twice, once with plain
// clients and once with holdfast, and reads the result from the providers' books.
package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
)

const (
	workers      = 16                    // orders in work at the same time
	arrival      = 10 * time.Millisecond // between one customer and the next
	closeTimeout = 10 * time.Second      // each of: the last events, calls, webhooks and bookings
)

// The names of the two shops in a report.
const (
	Plain    = "plain"
	Holdfast = "holdfast"
)

// Config says what to run. Orders must be at least 1.
type Config struct {
	Orders int
	Seed   uint64
	Faults providers.Level

	// Progress is called when a shop has finished an order, and before its first one
	// with 0. The calls come one at a time. Nil means that nobody looks.
	Progress func(shop string, done int)
}

// Run places the orders with both shops, one after the other, each in a fresh world
// with the same plan. Once ctx is done it takes back what is in work and returns the
// cause.
func Run(ctx context.Context, cfg Config) (Report, error) {
	report := Report{Orders: cfg.Orders, Seed: cfg.Seed, Faults: cfg.Faults}
	for _, c := range contestants() {
		result, err := run(ctx, cfg, c)
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		if err != nil {
			return Report{}, fmt.Errorf("%s shop: %w", c.name, err)
		}
		report.Shops = append(report.Shops, result)
	}
	return report, nil
}

// run opens a desk, a world and a shop in it, places the orders, and reads the books.
func run(ctx context.Context, cfg Config, c contestant) (result Result, err error) {
	desk, err := openCounter(ctx, c)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		err = errors.Join(err, within(ctx, desk.remove))
	}()
	orders, stock := demand(cfg.Orders)
	world, err := providers.Start(ctx, providers.NewPlan(cfg.Faults, cfg.Seed), stock, desk.hook)
	if err != nil {
		return Result{}, err
	}
	at := addresses(world)
	clients, err := c.clients(at)
	if err != nil {
		return Result{}, errors.Join(err, within(ctx, world.Close))
	}

	start := time.Now()
	s := shop.Open(at, clients, desk)
	placed := place(ctx, s, orders, func(done int) {
		if cfg.Progress != nil {
			cfg.Progress(c.name, done)
		}
	})
	_ = within(ctx, s.Close) // says which events were lost: the books of analytics know
	took := time.Since(start)

	clients.CloseIdleConnections()
	if err := errors.Join(within(ctx, world.Close), within(ctx, desk.settle)); err != nil {
		return Result{}, err
	}
	return score(ctx, c.name, world, desk, placed, took)
}

// within ends what was begun: for a time, and also when ctx is done.
func within(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return end(ctx)
}

func addresses(w *providers.World) shop.Providers {
	return shop.Providers{
		Inventory: shop.Provider{URL: w.Inventory.URL(), PerSecond: providers.InventoryPerSecond},
		Payments:  shop.Provider{URL: w.Payments.URL(), PerSecond: providers.PaymentsPerSecond},
		Shipping:  shop.Provider{URL: w.Shipping.URL(), PerSecond: providers.ShippingPerSecond},
		Analytics: shop.Provider{URL: w.Analytics.URL(), PerSecond: providers.AnalyticsPerSecond},
	}
}

// demand returns the orders of a run, and a stock that is enough for all of them.
func demand(n int) ([]shop.Order, map[string]int) {
	skus := []string{"green-tea", "black-tea", "teapot", "cup"}
	stock := map[string]int{}
	orders := make([]shop.Order, n)
	for i := range orders {
		o := shop.Order{
			ID:       fmt.Sprintf("order-%06d", i),
			SKU:      skus[i%len(skus)],
			Quantity: 1 + i%3,
			Amount:   int64(1000 + 7*i%5000),
			Currency: "EUR",
		}
		stock[o.SKU] += 2 * o.Quantity // a release may come late, so one for all is too few
		orders[i] = o
	}
	return orders, stock
}

// placement is what became of an order in the eyes of the shop.
type placement struct {
	order shop.Order
	err   error
	took  time.Duration
}

// place places the orders as they arrive, with a bounded number of workers, and stops
// to start new ones when ctx is done.
func place(ctx context.Context, s *shop.Shop, orders []shop.Order, progress func(done int)) []placement {
	next := make(chan shop.Order)
	results := make(chan placement)
	var wg sync.WaitGroup
	for range min(workers, len(orders)) {
		wg.Go(func() {
			for o := range next {
				start := time.Now()
				_, err := s.Place(ctx, o)
				results <- placement{o, err, time.Since(start)}
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		customer := time.NewTicker(arrival)
		defer customer.Stop()
		for _, o := range orders {
			select {
			case <-customer.C:
			case <-ctx.Done():
				return
			}
			select {
			case next <- o:
			case <-ctx.Done():
				return
			}
		}
	})
	go func() {
		wg.Wait()
		close(results)
	}()

	progress(0)
	placed := make([]placement, 0, len(orders))
	for p := range results {
		placed = append(placed, p)
		progress(len(placed))
	}
	return placed
}
