package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

var errBroken = errors.New("broken")

// event makes one whose ID is signed.
func event(id string) inbox.Event {
	return inbox.Event{Source: "test", ID: id, IDSigned: true, Body: []byte(id)}
}

// keyed makes one with a key.
func keyed(id, key string) inbox.Event {
	e := event(id)
	e.Key = key
	return e
}

func newInbox(t *testing.T, c inbox.Config) *inbox.Inbox {
	t.Helper()
	if c.Store == nil {
		c.Store = inbox.NewMemory()
	}
	in, err := inbox.New(c)
	require.NoError(t, err)
	return in
}

func put(t *testing.T, in *inbox.Inbox, events ...inbox.Event) []inbox.Result {
	t.Helper()
	results, err := in.Put(t.Context(), events...)
	require.NoError(t, err)
	return results
}

// run runs in until the returned func is called, which waits for its end.
func run(t *testing.T, in *inbox.Inbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
}

// journal notes what happens, and when.
type journal struct {
	mu    sync.Mutex
	lines []string
	start time.Time
}

func newJournal() *journal { return &journal{start: time.Now()} }

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%v ", time.Since(j.start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines
}

// hooks note the ends of attempts.
func (j *journal) hooks() inbox.Hooks {
	note := func(what string) func(inbox.Attempt) {
		return func(a inbox.Attempt) {
			line := fmt.Sprintf("%s %s %d/%d", what, a.Delivery.ID, a.Delivery.Attempt, a.Delivery.Crashes)
			if a.Err != nil {
				line += ": " + a.Err.Error()
			}
			j.add("%s", line)
		}
	}
	return inbox.Hooks{Done: note("done"), Retry: note("retry"), Dead: note("dead"), Lost: note("lost")}
}

// bubble runs a test whose time is not real.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func everySecond() func() backoff.BackOff { return retry.Constant(time.Second) }

func stateOf(t *testing.T, in *inbox.Inbox, id string) inbox.State {
	t.Helper()
	records, err := in.List(t.Context(), inbox.Filter{ID: id})
	require.NoError(t, err)
	require.Len(t, records, 1)
	return records[0].State
}

// faulty is a store that fails when it is told to.
type faulty struct {
	inbox.Store
	mu   sync.Mutex
	fail map[string]error
}

func newFaulty() *faulty { return &faulty{Store: inbox.NewMemory(), fail: map[string]error{}} }

func (f *faulty) set(op string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[op] = err
}

func (f *faulty) get(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail[op]
}

func (f *faulty) Put(ctx context.Context, now time.Time, entries []inbox.Entry) ([]inbox.Result, error) {
	if err := f.get("put"); err != nil {
		return nil, err
	}
	return f.Store.Put(ctx, now, entries)
}

func (f *faulty) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	if err := f.get("claim"); err != nil {
		return nil, err
	}
	return f.Store.Claim(ctx, now, until, limit)
}

func (f *faulty) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	if err := f.get("extend"); err != nil {
		return nil, err
	}
	return f.Store.Extend(ctx, tokens, until)
}

func (f *faulty) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	if err := f.get("finish"); err != nil {
		return err
	}
	return f.Store.Finish(ctx, now, token, o)
}

func (f *faulty) Now(ctx context.Context) (time.Time, error) {
	if err := f.get("now"); err != nil {
		return time.Time{}, err
	}
	return f.Store.Now(ctx)
}
