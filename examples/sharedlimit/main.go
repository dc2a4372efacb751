// Command sharedlimit shares one rate limit between replicas by way of Redis, and
// shows that together they keep it. It needs a Redis server:
//
//	go run ./examples/sharedlimit -redis 127.0.0.1:6379 -client rueidis
//
// The replicas are limiters in one process here; in earnest each has its own. The
// file eval.go has what a program needs to use its own client of Redis.
//
// Exit status: 0 after a complete run, 1 if a call failed, 2 for flags that make no
// sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

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
	redis, client, key              string
	rate                            float64
	burst, calls, replicas, workers int
}

// Run is the program without its process: it returns the exit status. It ends early
// when ctx is done.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if err := share(ctx, opts, stdout); err != nil {
		fmt.Fprintln(stderr, "sharedlimit:", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the flags, and reports to stderr what is wrong with them.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("sharedlimit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.redis, "redis", "127.0.0.1:6379", "address of the Redis server")
	flags.StringVar(&o.client, "client", "go-redis", "client of Redis: go-redis or rueidis")
	flags.StringVar(&o.key, "key", "payments API", "name of the limit in Redis")
	flags.Float64Var(&o.rate, "rate", 200, "calls per second of all replicas together")
	flags.IntVar(&o.burst, "burst", 100, "calls at once after a quiet time")
	flags.IntVar(&o.calls, "calls", 1000, "calls of all replicas together")
	flags.IntVar(&o.replicas, "replicas", 4, "replicas")
	flags.IntVar(&o.workers, "workers", 8, "workers of each replica")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.calls < 1 || o.replicas < 1 || o.workers < 1:
		err = errors.New("-calls, -replicas and -workers must be positive")
	case o.replicas > 100 || o.workers > 100:
		err = errors.New("-replicas and -workers must be at most 100")
	}
	if err != nil {
		fmt.Fprintln(stderr, "sharedlimit:", err)
	}
	return o, err
}

// share lets the replicas make their calls and prints what each of them did.
func share(ctx context.Context, o options, stdout io.Writer) error {
	eval, disconnect, err := connect(o.client, o.redis)
	if err != nil {
		return err
	}
	defer disconnect()
	limiters := make([]*redislimit.Limiter, o.replicas)
	for i := range limiters {
		limiters[i], err = redislimit.New(redislimit.Config{Eval: eval, Rate: o.rate, Burst: o.burst, Replicas: o.replicas})
		if err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := work(ctx, o, limiters); err != nil {
		return err
	}
	took := time.Since(begin)

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "replica\tcalls made\tcalls of Redis\tin vain\t")
	for i, l := range limiters {
		for _, b := range l.Snapshot().Buckets {
			fmt.Fprintf(table, "%d\t%d\t%d\t%d\t\n", i+1, b.Sent, b.Calls, b.Failures)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d calls in %v, at %g per second with a burst of %d\n",
		o.calls, took.Round(time.Millisecond), o.rate, o.burst)
	return err
}

// work makes the calls. Instead of calling somebody's API each takes its turn and
// does nothing.
func work(ctx context.Context, o options, limiters []*redislimit.Limiter) error {
	var (
		wg   sync.WaitGroup
		made atomic.Int64
		errs = make([]error, o.replicas*o.workers)
	)
	for i := range errs {
		limiter := limiters[i%o.replicas]
		wg.Go(func() {
			for errs[i] == nil && made.Add(1) <= int64(o.calls) {
				errs[i] = limiter.Do(ctx, o.key, func(context.Context) error { return nil })
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
