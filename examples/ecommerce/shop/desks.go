package shop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
	"github.com/holdfast-go/holdfast/webhook"
)

// HookPath is where the webhooks of the payment provider come in.
const HookPath = "/hooks/payments"

// currency is what the shop is paid in.
const currency = "EUR"

// PlainDesk returns a desk as a first version has it: it checks the signature and books
// what comes, while the provider waits. What comes twice it books twice.
func PlainDesk(v *webhook.Verifier) (Desk, error) {
	d := &plainDesk{books: map[string][]ledger.Entry{}}
	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{
		Verifier:             v,
		DangerouslyAllowHTTP: true, // the provider is on this machine
	})
	if err != nil {
		return nil, err
	}
	d.Handler = receiver.Handler(d.book)
	return d, nil
}

type plainDesk struct {
	http.Handler
	waiters waiters

	mu    sync.Mutex
	books map[string][]ledger.Entry // by order
}

func (d *plainDesk) book(_ context.Context, events []webhook.Event) error {
	for _, event := range events {
		entries, err := ledger.ReadStandard(event.Type, event.Body)
		if err != nil {
			return err
		}
		for _, e := range entries {
			d.write(e)
			d.waiters.wake(e)
		}
	}
	return nil
}

func (d *plainDesk) write(e ledger.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.books[e.Order] = append(d.books[e.Order], e)
}

func (d *plainDesk) Entries(_ context.Context, order string) ([]ledger.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.books[order]), nil
}

func (d *plainDesk) Await(ctx context.Context, order string) error {
	return d.waiters.await(ctx, order, d.Entries)
}

func (d *plainDesk) Settle(context.Context) error { return nil }

func (d *plainDesk) Close(context.Context) error { return nil }

// HoldfastDesk returns a desk that stores what comes before it answers, and books each
// event once, in a SQLite file: see package ledger.
func HoldfastDesk(ctx context.Context, path string, v *webhook.Verifier) (Desk, error) {
	d := &ledgerDesk{ended: make(chan error, 1)}
	var err error
	d.Ledger, err = ledger.Open(ctx, path, ledger.Config{
		Sources:              []ledger.Source{{Name: "payments", Verifier: v, Read: ledger.ReadStandard}},
		Booked:               d.waiters.wake,
		Logger:               slog.New(slog.DiscardHandler), // much is refused here, on purpose
		DangerouslyAllowHTTP: true,                          // the provider is on this machine
	})
	if err != nil {
		return nil, err
	}
	if err := d.OpenAccount(ctx, currency); err != nil {
		return nil, errors.Join(err, d.Ledger.Close(context.WithoutCancel(ctx)))
	}
	// Interrupted orders are taken back, and their refunds booked: Close ends it.
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	go func() { d.ended <- d.Run(run) }()
	return d, nil
}

type ledgerDesk struct {
	*ledger.Ledger
	waiters waiters
	stop    context.CancelFunc
	ended   chan error
}

func (d *ledgerDesk) Await(ctx context.Context, order string) error {
	return d.waiters.await(ctx, order, d.Entries)
}

func (d *ledgerDesk) Settle(ctx context.Context) error { return d.Idle(ctx) }

func (d *ledgerDesk) Close(ctx context.Context) error {
	d.stop()
	return errors.Join(<-d.ended, d.Ledger.Close(ctx))
}
