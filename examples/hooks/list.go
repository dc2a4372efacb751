package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func runList(ctx context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var (
		where  storeFlags
		state  stateFlag
		filter inbox.Filter
	)
	where.add(fs)
	fs.TextVar(&state, "state", stateFlag{}, "only those that are pending, leased, waiting, done, dead, quarantined or discarded")
	fs.StringVar(&filter.Source, "source", "", "only those of this source")
	fs.Int64Var(&filter.After, "after", 0, "only those with a greater number")
	fs.IntVar(&filter.Limit, "limit", inbox.DefaultLimit, "at most so many")
	if err := parse(fs, args, 0, 0); err != nil {
		return err
	}
	if filter.Limit < 1 || filter.After < 0 {
		return wrong("-limit must be at least 1, and -after not negative")
	}
	filter.State = state.State
	return where.open(ctx, func(b box) error {
		records, err := b.List(ctx, filter)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			fmt.Fprintln(sys.Stderr, "no events")
			return nil
		}
		if err := writeRecords(sys.Stdout, records); err != nil {
			return err
		}
		if len(records) == filter.Limit {
			fmt.Fprintf(sys.Stderr, "there may be more: -after %d\n", records[len(records)-1].Seq)
		}
		return nil
	})
}

func writeRecords(w io.Writer, records []inbox.Record) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "event\tstate\tsource\tid\ttype\treceived\tattempts\treason")
	for _, r := range records {
		fmt.Fprintf(table, "@%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Seq, r.State, printable(r.Source, 30), printable(r.ID, 40),
			printable(r.Type, 40), stamp(r.Received), r.Attempt, printable(r.Reason, 80))
	}
	return table.Flush()
}

// stamp writes a time, and nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func runShow(ctx context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var (
		where storeFlags
		body  bool
	)
	where.add(fs)
	fs.BoolVar(&body, "body", false, "write the body alone, byte by byte")
	if err := parse(fs, args, 1, 1); err != nil {
		return err
	}
	return where.open(ctx, func(b box) error {
		found, err := b.find(ctx, fs.Arg(0), true)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			fmt.Fprintf(sys.Stderr, "hooks show: there is no event %s\n", printable(fs.Arg(0), 80))
			return errNo
		case len(found) > 1:
			fmt.Fprintf(sys.Stderr, "hooks show: %d events have this ID: name one by its number\n", len(found))
			return orNo(writeRecords(sys.Stderr, found))
		case body:
			_, err := sys.Stdout.Write(found[0].Body)
			return err
		}
		writeRecord(sys.Stdout, found[0])
		return nil
	})
}

func orNo(err error) error {
	if err != nil {
		return err
	}
	return errNo
}

// writeRecord writes an event for people. The body is not meant for programs: see the
// flag -body.
func writeRecord(w io.Writer, r inbox.Record) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, printable(value, 1000))
		}
	}
	line("event", fmt.Sprintf("@%d", r.Seq))
	line("state", r.State.String())
	line("source", r.Source)
	line("id", r.ID)
	line("type", r.Type)
	line("key", r.Key)
	line("received", stamp(r.Received))
	line("due", stamp(r.Due))
	line("ended", stamp(r.Ended))
	line("attempts", fmt.Sprintf("%d, crashes %d, replays %d", r.Attempt, r.Crashes, r.Replays))
	line("reason", r.Reason)
	fmt.Fprintln(w)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			if secret(name) {
				value = "[redacted]"
			}
			fmt.Fprintf(w, "%s: %s\n", printable(name, 200), printable(value, 1000))
		}
	}
	fmt.Fprintf(w, "\n%s\n", strings.Map(visible, string(r.Body)))
}

// secret says whether a header field can prove who its sender is.
func secret(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "X-Gitlab-Token":
		return true
	}
	return false
}

// visible keeps line breaks, and what cannot move the cursor.
func visible(r rune) rune {
	if r == '\n' || r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}
