// Command hooks is for people who look after webhooks: it signs one, finds out
// why one does not verify, and looks into the inbox of a program, to have again
// what has died in it.
//
//	go run ./examples/hooks help
//
// To sign an event, send it, and see what a receiver makes of it:
//
//	export SECRET=whsec_...
//	echo '{"id":"evt_1"}' | go run ./examples/hooks sign -scheme stripe -secret-env SECRET -url https://example.com/hooks -send
//
// To find out why a captured request does not verify:
//
//	go run ./examples/hooks verify -scheme stripe -secret-env SECRET -explain request.http
//
// To look at what has died in an inbox, and have it handled again:
//
//	go run ./examples/hooks list -db payments.db -state dead
//	go run ./examples/hooks show -db payments.db @17
//	go run ./examples/hooks replay -db payments.db @17
//
// Secrets come from the environment or from files, never from the command line,
// which others on the machine can see, and are never printed.
//
// Exit status: 0 for yes, that is, it verifies, it was delivered, it was found; 1
// for no; 2 for a command, a file or a secret that cannot be used; 3 if the database
// or the network has failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// Exit statuses.
const (
	exitYes    = 0
	exitNo     = 1
	exitUsage  = 2
	exitFailed = 3
)

// System is what the program has of the world.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := Run(ctx, os.Args[1:], System{os.Stdin, os.Stdout, os.Stderr, os.Getenv})
	stop()
	os.Exit(status)
}

// errNo is the answer no, which has been printed already.
var errNo = errors.New("no")

// usageError is a command, a file or a secret that cannot be used.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func wrong(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// command is one of the things that the program does.
type command struct {
	name, args, about string
	run               func(context.Context, System, *flag.FlagSet, []string) error
}

func commands() []command {
	return []command{
		{"sign", "[file]", "sign a body, and print the request or send it", runSign},
		{"verify", "[file]", "say whether a raw HTTP request verifies, and why not", runVerify},
		{"schemes", "", "name the schemes that sign and verify know", runSchemes},
		{"list", "", "list the events of an inbox", runList},
		{"show", "event", "show an event with its header and body", runShow},
		{"replay", "[event...]", "have events handled again", runReplay},
		{"purge", "", "forget events that were handled long ago", runPurge},
	}
}

// Run is the program without its process: it returns the exit status. It ends early
// when ctx is done.
func Run(ctx context.Context, args []string, sys System) int {
	if len(args) == 0 {
		usage(sys.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(sys.Stdout)
		return exitYes
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.status(ctx, sys, args[1:])
		}
	}
	fmt.Fprintf(sys.Stderr, "hooks: there is no command %q\n", args[0])
	usage(sys.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: hooks command [flags] [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %-11s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(w, "\nA file that is missing, or -, is standard input. An event is its ID or, as list shows it,\n"+
		"its number: @17. hooks command -h shows the flags of a command.\n")
}

// status runs a command and turns its error into an exit status.
func (c command) status(ctx context.Context, sys System, args []string) int {
	fs := flag.NewFlagSet("hooks "+c.name, flag.ContinueOnError)
	fs.SetOutput(sys.Stderr)
	fs.Usage = func() {
		fmt.Fprintf(sys.Stderr, "usage: hooks %s [flags] %s\n\n", c.name, c.args)
		fs.PrintDefaults()
	}
	err := c.run(ctx, sys, fs, args)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	}
	fmt.Fprintf(sys.Stderr, "hooks %s: %v\n", c.name, err)
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// parse reads the flags, and checks that there are at least least and at most most
// arguments.
func parse(fs *flag.FlagSet, args []string, least, most int) error {
	// The flag package would print its error, and the usage with it.
	out, usage := fs.Output(), fs.Usage
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	fs.SetOutput(out)
	if errors.Is(err, flag.ErrHelp) {
		usage()
		return err
	}
	if err != nil {
		return &usageError{err}
	}
	for _, arg := range fs.Args() {
		if len(arg) > 1 && arg[0] == '-' {
			return wrong("%s stands behind an argument: flags come first", arg)
		}
	}
	switch n := fs.NArg(); {
	case n < least:
		return wrong("an argument is missing: see -h")
	case n > most:
		return wrong("unexpected argument %q", fs.Arg(most))
	}
	return nil
}
