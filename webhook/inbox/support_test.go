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
