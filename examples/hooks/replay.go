package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// purgePage is how many events are forgotten in one transaction.
const purgePage = 1000

func runReplay(ctx context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var (
		where  storeFlags
		dead   bool
		source string
		again  bool
	)
	where.add(fs)
	fs.BoolVar(&dead, "dead", false, "all that are dead")
	fs.StringVar(&source, "source", "", "all of this source that are dead")
	fs.BoolVar(&again, "again", false, "also events that are done, quarantined or discarded, if they are named")
	if err := parse(fs, args, 0, math.MaxInt); err != nil {
		return err
	}
	all := dead || source != ""
	switch {
	case all == (fs.NArg() > 0):
		return wrong("name the events, or give -dead or -source")
	case all && again:
		return wrong("-again is for events that are named")
	}
	return where.open(ctx, func(b box) error {
		var n int
		var err error
		if all {
			n, err = b.Replay(ctx, inbox.Filter{State: inbox.Dead, Source: source})
		} else {
			n, err = b.replayNamed(ctx, sys, fs.Args(), again)
		}
		if n > 0 {
			fmt.Fprintf(sys.Stdout, "%d to be handled again, by the program that works on this inbox\n", n)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintln(sys.Stderr, "hooks replay: nothing to replay")
			return errNo
		}
		return nil
	})
}

// replayNamed replays all events that are named or, if one of them is not to be
// found or not to be replayed, none.
func (b box) replayNamed(ctx context.Context, sys System, names []string, again bool) (int, error) {
	var seqs []int64
	ok := true
	refuse := func(format string, args ...any) {
		fmt.Fprintf(sys.Stderr, "hooks replay: "+format+"\n", args...)
		ok = false
	}
	for _, name := range names {
		found, err := b.find(ctx, name, false)
		if err != nil {
			return 0, err
		}
		name = printable(name, 80)
		switch {
		case len(found) == 0:
			refuse("there is no event %s", name)
			continue
		case len(found) > 1:
			refuse("%d events have the ID %s: name one by its number, which list shows", len(found), name)
			continue
		}
		switch r := found[0]; {
		case r.State == inbox.Pending, r.State == inbox.Leased, r.State == inbox.Waiting:
			refuse("%s is %s: it will be handled anyway", name, r.State)
		case r.State != inbox.Dead && !again:
			refuse("%s is %s: -again has it handled all the same", name, r.State)
		default:
			seqs = append(seqs, r.Seq)
		}
	}
	if !ok {
		return 0, errNo
	}
	n := 0
	for _, seq := range seqs {
		now, err := b.store.Now(ctx)
		if err != nil {
			return n, err
		}
		replayed, err := b.store.Replay(ctx, now, []int64{seq})
		n += replayed
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func runPurge(ctx context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var (
		where storeFlags
		older time.Duration
		dead  bool
	)
	where.add(fs)
	fs.DurationVar(&older, "older", 0, "how long ago they ended, such as 168h: longer than their source sends them again")
	fs.BoolVar(&dead, "dead", false, "also those that are dead or quarantined, not only done or discarded")
	if err := parse(fs, args, 0, 0); err != nil {
		return err
	}
	if older <= 0 {
		return wrong("-older is missing: how long ago the events ended, such as 168h")
	}
	return where.open(ctx, func(b box) error {
		now, err := b.store.Now(ctx)
		if err != nil {
			return err
		}
		var doneBefore, deadBefore time.Time
		doneBefore = now.Add(-older)
		if dead {
			deadBefore = doneBefore
		}
		total := 0
		for {
			n, err := b.store.Purge(ctx, doneBefore, deadBefore, purgePage)
			if total += n; err != nil {
				fmt.Fprintf(sys.Stdout, "%d forgotten\n", total)
				return err
			}
			if n < purgePage {
				break
			}
		}
		fmt.Fprintf(sys.Stdout, "%d forgotten\n", total)
		return nil
	})
}
