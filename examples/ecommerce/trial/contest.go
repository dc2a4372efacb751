package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// contestant is a shop by what it is made of.
type contestant struct {
	name    string
	clients func(shop.Providers) (shop.Clients, error)
	desk    func(ctx context.Context, dir string, v *webhook.Verifier) (shop.Desk, error)
}

func contestants() []contestant {
	return []contestant{
		{
			Plain,
			func(shop.Providers) (shop.Clients, error) { return shop.Plain(), nil },
			func(_ context.Context, _ string, v *webhook.Verifier) (shop.Desk, error) { return shop.PlainDesk(v) },
		},
		{
			Holdfast,
			shop.Holdfast,
			func(ctx context.Context, dir string, v *webhook.Verifier) (shop.Desk, error) {
				return shop.HoldfastDesk(ctx, filepath.Join(dir, "payments.db"), v)
			},
		},
	}
}

// counter is a desk behind a server, and what the payment provider must know of it.
type counter struct {
	shop.Desk
	hook   providers.Hook
	dir    string
	server *http.Server
	ended  chan struct{} // closed when the server no longer accepts
}

// openCounter opens a desk on a free loopback port.
func openCounter(ctx context.Context, c contestant) (_ *counter, err error) {
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks()}) // with a new secret
	if err != nil {
		return nil, err
	}
	verifier, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: []webhook.Key{signer.Key()}})
	if err != nil {
		return nil, err
	}
	o := &counter{ended: make(chan struct{})}
	if o.dir, err = os.MkdirTemp("", "ecommerce-"); err != nil {
		return nil, err
	}
	if o.Desk, err = c.desk(ctx, o.dir, verifier); err != nil {
		return nil, errors.Join(err, os.RemoveAll(o.dir))
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, o.Close(context.WithoutCancel(ctx)), os.RemoveAll(o.dir))
	}
	o.hook = providers.Hook{URL: "http://" + listener.Addr().String() + shop.HookPath, Secret: signer.Key().Secret}
	o.server = &http.Server{
		Handler:           o.Desk,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are the point here
	}
	go func() {
		defer close(o.ended)
		_ = o.server.Serve(listener) // always an error: ErrServerClosed
	}()
	return o, nil
}

// settle takes no more webhooks, and waits until those that came are booked.
func (o *counter) settle(ctx context.Context) error {
	err := o.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("desk: %w", errors.Join(err, o.server.Close()))
	}
	<-o.ended
	return errors.Join(err, o.Settle(ctx))
}

// remove closes the desk and removes its books.
func (o *counter) remove(ctx context.Context) error {
	return errors.Join(o.server.Close(), o.Close(ctx), os.RemoveAll(o.dir))
}
