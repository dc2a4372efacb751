// Command payments keeps a ledger of the payments that two providers tell of by
// webhooks, and is exact to the cent: each event is booked once, however often, late or
// mixed up it comes, and whenever the program dies. To see it take a bad day in a few
// seconds:
//
//	go run ./examples/payments -demo
//
// To run it, with the providers' secrets in the environment:
//
//	export STRIPE_WEBHOOK_SECRET=whsec_... BANK_WEBHOOK_SECRET=whsec_...
//	go run ./examples/payments -db payments.db -addr 127.0.0.1:8080
//
// Stripe's webhooks go to /hooks/stripe; those of the bank, which signs as the Standard
// Webhooks specification says, to /hooks/bank. A provider whose secret is not set has
// no address. A proxy on the same machine ends TLS, and says so by X-Forwarded-Proto;
// to try it without one there is -http:
//
//	go run ./examples/payments -db payments.db -http
//
// Then, in another terminal with the same secret:
//
//	echo '{"id":"evt_1","type":"charge.succeeded","data":{"object":{"id":"ch_1","amount":1999,"currency":"gbp"}}}' |
//		go run ./examples/hooks sign -scheme stripe -secret-env STRIPE_WEBHOOK_SECRET -url http://127.0.0.1:8080/hooks/stripe -send
//	go run ./examples/hooks list -db payments.db -state dead
//
// There is no account in GBP, so this event cannot be booked. It is not lost: it is set
// aside, dead, with the reason. End the program and start it with the account:
//
//	go run ./examples/payments -db payments.db -http -accounts EUR,USD,GBP
//
// A replay, in the other terminal, has the event booked:
//
//	go run ./examples/hooks replay -db payments.db -dead
//
// On SIGTERM, or Ctrl-C, it takes no more webhooks, answers those that it has, finishes
// what it is booking, and ends. What is not booked by then is booked at the next start.
//
// What to copy is in package ledger.
//
// Exit status: 0 after a SIGTERM or a demo whose ledger is exact, 1 if it failed, 2 for
// flags or secrets that cannot be used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
	"github.com/holdfast-go/holdfast/webhook"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const (
	shutdown = 15 * time.Second // for requests that are being answered
	ending   = 30 * time.Second // for what is being booked
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := Run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags.
type options struct {
	db, addr  string
	accounts  []string
	rate      float64
	http      bool
	demo      bool
	demoSeed  uint64
	demoCount int
	debug     bool
}

// Run is the program without its process: it returns the exit status. It ends in order
// when ctx is done.
func Run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	if o.demo {
		if !o.debug {
			logger = slog.New(slog.DiscardHandler) // it refuses a lot, on purpose
		}
		err = demo(ctx, o, logger, stdout)
	} else {
		var sources []ledger.Source
		if sources, err = providers(getenv, o.rate); err != nil {
			fmt.Fprintln(stderr, "payments:", err)
			return exitUsage
		}
		err = serve(ctx, o, sources, logger)
	}
	if err != nil {
		fmt.Fprintln(stderr, "payments:", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the flags. It has written the error to stderr before it returns it.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var accounts string
	fs := flag.NewFlagSet("payments", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.db, "db", "payments.db", "SQLite file of the inbox and the ledger")
	fs.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	fs.StringVar(&accounts, "accounts", "EUR,USD", "currencies to have an account in")
	fs.Float64Var(&o.rate, "rate", 100, "requests per second from one address of a provider; 0 for any number")
	fs.BoolVar(&o.http, "http", false, "take requests without TLS, which anybody on the way can read")
	fs.BoolVar(&o.demo, "demo", false, "send yourself a bad day of webhooks, in a ledger that is thrown away")
	fs.Uint64Var(&o.demoSeed, "seed", 1, "seed of the demo")
	fs.IntVar(&o.demoCount, "payments", 300, "payments of the demo, 1 to 10000")
	fs.BoolVar(&o.debug, "debug", false, "log each webhook")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	o.accounts = strings.Split(accounts, ",")
	var err error
	switch {
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.rate < 0:
		err = fmt.Errorf("-rate %g: want 0 or more", o.rate)
	case o.demoCount < 1 || o.demoCount > 10_000:
		err = fmt.Errorf("-payments %d: want 1 to 10000", o.demoCount)
	default:
		return o, nil
	}
	fmt.Fprintln(stderr, "payments:", err)
	return options{}, err
}

// providers are those whose secret is set.
func providers(getenv func(string) string, rate float64) ([]ledger.Source, error) {
	var sources []ledger.Source
	var errs []error
	for _, p := range []struct {
		name, variable string
		scheme         webhook.Scheme
		read           func(string, []byte) ([]ledger.Entry, error)
	}{
		{"stripe", "STRIPE_WEBHOOK_SECRET", webhook.Stripe(), ledger.ReadStripe},
		{"bank", "BANK_WEBHOOK_SECRET", webhook.StandardWebhooks(), ledger.ReadStandard},
	} {
		secret := getenv(p.variable)
		if secret == "" {
			continue
		}
		verifier, err := webhook.New(webhook.Config{Scheme: p.scheme, Keys: webhook.Keys(secret)})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.variable, err))
			continue
		}
		sources = append(sources, ledger.Source{Name: p.name, Verifier: verifier, Read: p.read, Rate: rate})
	}
	if len(sources)+len(errs) == 0 {
		errs = append(errs, errors.New("set STRIPE_WEBHOOK_SECRET or BANK_WEBHOOK_SECRET, or try -demo"))
	}
	return sources, errors.Join(errs...)
}

// serve runs the program until ctx ends.
func serve(ctx context.Context, o options, sources []ledger.Source, logger *slog.Logger) (err error) {
	l, err := ledger.Open(ctx, o.db, ledger.Config{
		Sources:              sources,
		Logger:               logger,
		DangerouslyAllowHTTP: o.http,
		Proxies: webhook.Proxies{Peers: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	for _, currency := range o.accounts {
		if err := l.OpenAccount(ctx, currency); err != nil {
			return fmt.Errorf("account %q: %w", currency, err)
		}
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	logger.Info("taking webhooks", "addr", listener.Addr().String(), "db", o.db)
	if err := run(ctx, listener, l); err != nil {
		return err
	}
	stats, err := l.Stats(context.WithoutCancel(ctx))
	logger.Info("ended", "waiting", stats.Pending+stats.Leased+stats.Waiting, "dead", stats.Dead)
	return err
}

// run takes webhooks in and books them until ctx ends or the server fails. What it has
// taken in by then it has answered, and what it has begun to book is booked.
func run(ctx context.Context, listener net.Listener, l *ledger.Ledger) error {
	server := &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	// The booking goes on while the last requests are answered: it has a context of
	// its own.
	booking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	booked := make(chan error, 1)
	go func() { booked <- l.Run(booking) }()

	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	err := server.Shutdown(end)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	stop()
	select {
	case e := <-booked:
		return errors.Join(failed, err, e)
	case <-time.After(ending):
		return errors.Join(failed, err, errors.New("what was being booked did not end"))
	}
}
