// Command bench compares holdfast with its peers, all around one transport in
// memory: the whole with hand-made glue from the same libraries, failsafe-go
// and go-retryablehttp, and each part with what comes closest to it. It prints
// a table for each scenario.
//
//	go run ./internal/bench
//	go run ./internal/bench -scenario '^happy' -runs 300
//
// Exit status: 0 after a complete run, 1 if a subject failed, 2 for flags that
// make no sense.
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
	"regexp"
	"time"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
	"github.com/holdfast-go/holdfast/internal/bench/report"
	"github.com/holdfast-go/holdfast/internal/bench/scenario"
)

// slice is how long a subject runs at a time. It is shorter than the time that
// an operating system gives to another process, so most slices run undisturbed.
const slice = 10 * time.Millisecond

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags.
type options struct {
	rounds    int
	json      bool
	scenarios []scenario.Scenario
}

// Run is the program without its process: it returns the exit status. The
// result goes to stdout, errors to stderr. It ends early when ctx is done.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if opts.json {
		err = writeJSON(ctx, opts, stdout)
	} else {
		err = writeTables(ctx, opts, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the flags, and reports to stderr what is wrong with them.
func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&opts.rounds, "runs", 100, "rounds: how often each subject runs, in turn with the others")
	flags.BoolVar(&opts.json, "json", false, "print one JSON document at the end instead of tables")
	only := flags.String("scenario", "", "measure the scenarios whose name matches this regular expression")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	wrong := func(err error) (options, error) {
		fmt.Fprintln(stderr, "bench:", err)
		return opts, err
	}
	if flags.NArg() > 0 {
		return wrong(fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	if opts.rounds < 1 {
		return wrong(fmt.Errorf("-runs is %d: must be positive", opts.rounds))
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return wrong(fmt.Errorf("-scenario: %w", err))
	}
	for _, s := range scenario.All() {
		if pattern.MatchString(s.Name) {
			opts.scenarios = append(opts.scenarios, s)
		}
	}
	if opts.scenarios == nil {
		return wrong(fmt.Errorf("-scenario: no scenario matches %q", *only))
	}
	return opts, nil
}

// writeTables prints each table as soon as its numbers are there.
func writeTables(ctx context.Context, opts options, stdout io.Writer) error {
	if err := report.Here(opts.rounds).Write(stdout); err != nil {
		return err
	}
	for _, s := range opts.scenarios {
		result, err := compare(ctx, s, opts.rounds)
		if err != nil {
			return err
		}
		if err := result.Write(stdout); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(ctx context.Context, opts options, stdout io.Writer) error {
	document := struct {
		report.Environment
		Scenarios []report.Scenario `json:"scenarios"`
	}{Environment: report.Here(opts.rounds)}
	for _, s := range opts.scenarios {
		result, err := compare(ctx, s, opts.rounds)
		if err != nil {
			return err
		}
		document.Scenarios = append(document.Scenarios, result)
	}
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

// compare measures the subjects of one scenario.
func compare(ctx context.Context, s scenario.Scenario, rounds int) (report.Scenario, error) {
	contestants := make([]measure.Contestant, len(s.Subjects))
	for i, sub := range s.Subjects {
		load, err := s.Start(ctx, s.Work(sub))
		if err != nil {
			return report.Scenario{}, err
		}
		contestants[i] = measure.Contestant{Name: sub.Name, Work: func(n int) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return load.Run(n)
		}}
	}
	all, err := measure.Interleave(contestants, rounds, slice)
	if err != nil {
		return report.Scenario{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	return report.New(s.Name, s.About, s.Bases(), all), nil
}
