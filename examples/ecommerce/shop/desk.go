package shop

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
)

// Desk is where the payment provider's webhooks come in. The answer to a charge says
// that somebody was asked for money; that it is there is said by a webhook, which may
// come twice, late, or from somebody else.
type Desk interface {
	// ServeHTTP takes webhooks, at any path.
	http.Handler
	// Await returns when the payment of an order is booked. Its error is the cause of
	// ctx, or that of the books.
	Await(ctx context.Context, order string) error
	// Entries returns what was booked for an order.
	Entries(ctx context.Context, order string) ([]ledger.Entry, error)
	// Settle waits until what has come is booked.
	Settle(ctx context.Context) error
	// Close ends the desk, and what is being booked. Its books cannot be read any more.
	Close(ctx context.Context) error
}

// waiters are the orders that wait for their payment. The zero value is ready for use.
type waiters struct {
	mu     sync.Mutex
	orders map[string]*waiting
}

// waiting is what those who wait for an order share.
type waiting struct {
	booked chan struct{} // closed when there is something to see
	n      int           // how many wait
}

// wake has those who wait for the order of an entry look into the books.
func (w *waiters) wake(e ledger.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.orders[e.Order]; o != nil {
		close(o.booked)
		delete(w.orders, e.Order)
	}
}

// join returns what the next wake for the order closes.
func (w *waiters) join(order string) *waiting {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.orders[order]
	if o == nil {
		o = &waiting{booked: make(chan struct{})}
		if w.orders == nil {
			w.orders = map[string]*waiting{}
		}
		w.orders[order] = o
	}
	o.n++
	return o
}

// leave forgets the order if nobody waits for it any more.
func (w *waiters) leave(order string, o *waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.n--; o.n == 0 && w.orders[order] == o {
		delete(w.orders, order)
	}
}

// await returns when entries has one for the order that is no refund. It joins before
// it looks, so that what is booked in between is not missed.
func (w *waiters) await(ctx context.Context, order string, entries func(context.Context, string) ([]ledger.Entry, error)) error {
	for {
		paid, err := w.look(ctx, order, entries)
		if paid || err != nil {
			return err
		}
	}
}

// look looks once and, if the order is not paid yet, waits for the next entry of it.
func (w *waiters) look(ctx context.Context, order string, entries func(context.Context, string) ([]ledger.Entry, error)) (bool, error) {
	o := w.join(order)
	defer w.leave(order, o)
	all, err := entries(ctx, order)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(all, func(e ledger.Entry) bool { return e.Amount > 0 }) {
		return true, nil
	}
	select {
	case <-o.booked:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
