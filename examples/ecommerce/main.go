// Command ecommerce places orders with four flaky providers twice, on the same faults:
// with a plain http.Client, and with the same client wrapped in holdfast. An order is
// paid when the webhook that says so was booked. The program ends with the two results
// side by side.
//
//	go run ./examples/ecommerce -orders 1000 -faults harsh
//
// The integration code is in package shop and is written to be copied. The providers
// are HTTP servers on loopback ports inside this program. The result is read from their
// books, and those of the shop are compared with them.
//
// Exit status: 0 if the shop with holdfast lost no order, charged nobody twice and booked
// each payment once, 1 if it did not or the run failed, 2 for flags that make no sense,
// 130 after Ctrl-C or SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/examples/ecommerce/trial"
)

// maxOrders keeps the books of a run in memory, and a run to about an hour.
const maxOrders = 100_000

// Exit statuses.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitInterrupt = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Run is the program without its process: it returns the exit status. The result goes
// to stdout, progress and errors to stderr. It ends early when ctx is done.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return run(ctx, args, stdout, stderr, trial.Run)
}

// run is Run, which places the orders by place.
func run(ctx context.Context, args []string, stdout, stderr io.Writer,
	place func(context.Context, trial.Config) (trial.Report, error),
) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}

	show := newProgress(stderr, opts.Orders)
	opts.Progress = show.update
	report, err := place(ctx, opts.Config)
	show.end()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "ecommerce: interrupted")
		return exitInterrupt
	case err == nil && opts.json:
		err = writeJSON(stdout, report)
	case err == nil:
		err = report.WriteTable(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "ecommerce:", err)
		return exitFailed
	}
	if !report.Flawless() {
		return exitFailed
	}
	return exitOK
}

// options is what the flags say.
type options struct {
	trial.Config
	json bool
}

// parse reads the flags. It has written the error to stderr before it returns it.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("ecommerce", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.Orders, "orders", 200, "orders to place with each shop, 1 to 100000")
	fs.Uint64Var(&o.Seed, "seed", 1, "seed of the fault plan")
	fs.TextVar(&o.Faults, "faults", providers.Mild, "how often the providers fail: none, mild or harsh")
	fs.BoolVar(&o.json, "json", false, "print the result as a JSON document")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	var err error
	switch {
	case o.Orders < 1 || o.Orders > maxOrders:
		err = fmt.Errorf("-orders %d: want 1 to %d", o.Orders, maxOrders)
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	default:
		return o, nil
	}
	fmt.Fprintln(stderr, "ecommerce:", err)
	return options{}, err
}

func writeJSON(w io.Writer, report trial.Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
