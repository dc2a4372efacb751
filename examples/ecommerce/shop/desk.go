package shop

import (
	"context"
	"net/http"
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

// waiters are the orders that wait for their payment.
type waiters struct {
	mu      sync.Mutex
	waiting map[string]chan struct{} // closed when there is something to see
}

// wake has the one who waits for the order of an entry look into the books.
func (w *waiters) wake(e ledger.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.waiting[e.Order]; c != nil {
		close(c)
		delete(w.waiting, e.Order)
	}
}

// ask returns a channel that is closed by the next wake for the order. There is one who
// waits for an order at a time.
func (w *waiters) ask(order string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	w.waiting[order] = c
	return c
}

func (w *waiters) leave(order string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, order)
}

// await returns when entries has one for the order that is no refund. Each look comes
// after the question, so that what is booked in between is not missed.
func (w *waiters) await(ctx context.Context, order string, entries func(context.Context, string) ([]ledger.Entry, error)) error {
	defer w.leave(order)
	for {
		booked := w.ask(order)
		all, err := entries(ctx, order)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Amount > 0 {
				return nil
			}
		}
		select {
		case <-booked:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
