package inbox

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Inbox takes events in and has them handled. It is safe for concurrent use.
//
// Most programs have one, call [Inbox.Put] in the handler that receives webhooks
// and [Inbox.Run] beside the HTTP server.
type Inbox struct {
	config  Config // with defaults filled in
	clock   clock
	backlog backlog
	wake    chan struct{}
	running atomic.Bool

	stored, duplicates, reused, refused atomic.Int64
}

// New checks c and makes an Inbox of it. Its error joins one error for each
// field that is wrong. It does not ask the store for anything.
func New(c Config) (*Inbox, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.setDefaults()
	return &Inbox{config: c, wake: make(chan struct{}, 1)}, nil
}

// Put stores events, all of them or none, and returns what became of each. When
// its error is nil they are durable, and their source can be told so, whatever
// the results: those that were there already need not come again either.
//
// It returns a [*FullError] or a [*StoreError] when the source has to send them
// again, later, and an [*EventError] for what can never be stored. When ctx ends
// first the error is a [*StoreError] with its cause.
func (in *Inbox) Put(ctx context.Context, events ...Event) ([]Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	start := time.Now()
	entries, results, err := in.put(ctx, events)
	if err != nil {
		in.refused.Add(int64(len(events)))
		if in.config.Hooks.Refused != nil {
			in.config.Hooks.Refused(err)
		}
		return nil, err
	}
	fresh := false
	for i, result := range results {
		switch result {
		case Stored:
			in.stored.Add(1)
			fresh = true
		case Duplicate:
			in.duplicates.Add(1)
		case Reuse:
			in.reused.Add(1)
		}
		if in.config.Hooks.Put != nil {
			in.config.Hooks.Put(PutInfo{Event: &entries[i].Event, Result: result, Duration: time.Since(start)})
		}
	}
	if fresh {
		in.Wake()
	}
	return results, nil
}

func (in *Inbox) put(ctx context.Context, events []Event) ([]Entry, []Result, error) {
	for i := range events {
		if reason := events[i].check(); reason != "" {
			return nil, nil, &EventError{Index: i, Reason: reason}
		}
	}
	if err := in.admit(ctx, len(events)); err != nil {
		return nil, nil, err
	}
	stored := 0
	defer func() { in.backlog.settle(len(events), stored) }()
	now, err := in.now(ctx)
	if err != nil {
		return nil, nil, storeError(ctx, "put", err)
	}
	entries := make([]Entry, len(events))
	for i, event := range events {
		entries[i] = event.entry(now, in.config.Reused)
	}
	results, err := in.config.Store.Put(ctx, now, entries)
	if err == nil && len(results) != len(entries) {
		err = errors.New("the store gave back another number of results")
	}
	if err != nil {
		return nil, nil, storeError(ctx, "put", err)
	}
	for _, result := range results {
		if result == Stored {
			stored++
		}
	}
	return entries, results, nil
}

// Wake makes [Inbox.Run] look for events now and not only at the next poll. Put
// and Replay call it; it is for programs that hear from others that they have
// put something. It never blocks.
func (in *Inbox) Wake() {
	select {
	case in.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// List returns the events that fit, in the order in which they were stored.
func (in *Inbox) List(ctx context.Context, f Filter) ([]Record, error) {
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	records, err := in.config.Store.List(ctx, f)
	if err != nil {
		return nil, storeError(ctx, "list", err)
	}
	return records, nil
}

// Replay has events handled again, in the order in which they were stored, and
// returns how many: those that fit f and are Dead, Done, Quarantined or
// Discarded. A State of 0 means Dead; a Limit of 0 means all that there are.
// It changes them page by page: when it returns an error some may be changed.
func (in *Inbox) Replay(ctx context.Context, f Filter) (int, error) {
	n, err := in.each(ctx, "replay", f, in.config.Store.Replay)
	if n > 0 {
		in.Wake()
	}
	return n, err
}

// Discard decides that nothing shall come of events, and returns of how many:
// those that fit f and are Dead or Quarantined. A State of 0 means Dead; a Limit
// of 0 means all that there are. Later events of the same Key need not wait for
// them any more. It changes them page by page, as Replay does.
func (in *Inbox) Discard(ctx context.Context, f Filter) (int, error) {
	n, err := in.each(ctx, "discard", f, in.config.Store.Discard)
	if n > 0 {
		in.Wake()
	}
	return n, err
}

func (in *Inbox) each(ctx context.Context, op string, f Filter, change func(context.Context, time.Time, []int64) (int, error)) (int, error) {
	f.State = cmp.Or(f.State, Dead)
	f.Content = false
	limit, total := f.Limit, 0
	for seen := 0; limit <= 0 || seen < limit; {
		f.Limit = DefaultLimit
		if limit > 0 {
			f.Limit = min(DefaultLimit, limit-seen)
		}
		records, err := in.config.Store.List(ctx, f)
		if err != nil {
			return total, storeError(ctx, op, err)
		}
		if len(records) == 0 {
			break
		}
		seqs := make([]int64, len(records))
		for i := range records {
			seqs[i] = records[i].Seq
		}
		now, err := in.now(ctx)
		if err != nil {
			return total, storeError(ctx, op, err)
		}
		n, err := change(ctx, now, seqs)
		total += n
		if err != nil {
			return total, storeError(ctx, op, err)
		}
		seen += len(records)
		f.After = seqs[len(seqs)-1]
	}
	return total, nil
}

// Stats counts the events in the store. On a database it takes time that grows
// with the number of events that are not Done.
func (in *Inbox) Stats(ctx context.Context) (Stats, error) {
	stats, err := in.config.Store.Stats(ctx)
	if err != nil {
		return Stats{}, storeError(ctx, "stats", err)
	}
	stats.Put = PutCounts{
		Stored: in.stored.Load(), Duplicates: in.duplicates.Load(), Reused: in.reused.Load(), Refused: in.refused.Load(),
	}
	return stats, nil
}

// storeError makes an error of the store one of the inbox. Stores return what
// their drivers do when a context ends, which may not be its cause.
func storeError(ctx context.Context, op string, err error) *StoreError {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return &StoreError{Op: op, Err: err}
}
