package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
)

// patience is how long the demo waits for what is to be booked.
const patience = time.Minute

// errInexact means that the ledger is not what it must be.
var errInexact = errors.New("the ledger is not exact")

// demo sends a bad day to a ledger that is restarted in the middle of it.
func demo(ctx context.Context, o options, logger *slog.Logger, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "payments-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.db = filepath.Join(dir, "payments.db")
	o.http = true // on the loopback interface nobody else can listen
	o.accounts = []string{"EUR", "USD"}

	today := newDay(o.demoSeed, o.demoCount)
	fmt.Fprintf(stdout, "the day    %d payments in %d events, %d copies of them, all out of order;\n"+
		"           %d forged and %d altered ones\n", o.demoCount, today.events, today.copies, today.forged, today.altered)
	c, err := newCallers(o.rate)
	if err != nil {
		return err
	}
	half := len(today.sendings) / 2
	if err := live(ctx, o, c, logger, stdout, today.sendings[:half], nil); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "restart    the program ends in the middle, and starts again")
	return live(ctx, o, c, logger, stdout, today.sendings[half:], func(l *ledger.Ledger) error {
		return settle(ctx, l, today, stdout)
	})
}

// live is one life of the program, in which sendings come; then it ends. What it has
// not booked by then is for the next life.
func live(ctx context.Context, o options, c *callers, logger *slog.Logger, stdout io.Writer,
	sendings []sending, then func(*ledger.Ledger) error,
) (err error) {
	l, err := ledger.Open(ctx, o.db, ledger.Config{Sources: c.sources, Logger: logger, DangerouslyAllowHTTP: o.http})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	for _, currency := range o.accounts {
		if err := l.OpenAccount(ctx, currency); err != nil {
			return err
		}
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	life, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- run(life, listener, l) }()

	tally, err := c.send(ctx, listener.Addr().String(), sendings)
	fmt.Fprintf(stdout, "answers    %s\n", tally)
	if err == nil && then != nil {
		err = then(l)
	}
	end()
	return errors.Join(err, <-ended)
}

// settle waits until all is booked, mends what is missing, and compares.
func settle(ctx context.Context, l *ledger.Ledger, today *day, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.Idle(ctx); err != nil {
		return err
	}
	stats, err := l.Stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "set aside  %d events in %s: there is no such account\n", stats.Dead, missing)
	if err := l.OpenAccount(ctx, missing); err != nil {
		return err
	}
	n, err := l.ReplayDead(ctx)
	if err != nil {
		return err
	}
	if err := l.Idle(ctx); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "mended     the account is opened, %d events are replayed\n", n)

	balances, err := l.Balances(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "\nledger            booked        expected")
	for _, currency := range slices.Sorted(maps.Keys(today.balances)) {
		fmt.Fprintf(stdout, "  %s %17s %15s\n", currency, money(balances[currency]), money(today.balances[currency]))
	}
	if !maps.Equal(balances, today.balances) {
		return errInexact
	}
	fmt.Fprintln(stdout, "exact")
	return nil
}

// money writes an amount of cents.
func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}
