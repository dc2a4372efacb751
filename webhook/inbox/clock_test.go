package inbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// far is a store whose answers are on their way for a while.
type far struct {
	inbox.Store
	away time.Duration
}

func (f far) Now(ctx context.Context) (time.Time, error) {
	now, err := f.Store.Now(ctx)
	time.Sleep(f.away)
	return now, err
}

// A worker whose clock is behind that of the process that has stored an event
// does not leave it to the next poll, and polls when it would have.
func TestRunBehindTheNotification(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, j := inbox.NewMemory(), newJournal()
		c := inbox.Config{Store: far{store, 300 * time.Millisecond}, Poll: 10 * time.Second, Hooks: j.hooks()}
		c.Handle = func(context.Context, *inbox.Delivery) error { return nil }
		worker, receiver := newInbox(t, c), newInbox(t, inbox.Config{Store: store})
		defer run(t, worker)()
		time.Sleep(5 * time.Second)
		put(t, receiver, event("a"))
		worker.Wake()
		time.Sleep(2 * time.Second)
		put(t, receiver, event("not told of"))
		time.Sleep(time.Hour)
		require.Equal(t, []string{"5.306s done a 1/0", "15s done not told of 1/0"}, j.all())
	})
}
