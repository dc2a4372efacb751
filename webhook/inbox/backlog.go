package inbox

import (
	"context"
	"sync"
	"time"
)

const (
	// minCount is the time between two counts of the backlog.
	minCount = 250 * time.Millisecond
	// countShare keeps the time that counting takes below one part in so many.
	countShare = 20
)

// backlog knows about how many events wait.
type backlog struct {
	mu       sync.Mutex
	counted  int // at the last count, and stored since
	arriving int // being put
	next     time.Time
	counting bool
}

// admit makes room for n events, which settle ends. More than there can ever be
// room for are let in when nothing waits: their source would send them again and
// again, and never with success.
func (in *Inbox) admit(ctx context.Context, n int) error {
	b := &in.backlog
	if b.due() {
		if err := in.count(ctx); err != nil {
			return storeError(ctx, "put", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if waiting := b.counted + b.arriving; waiting+min(n, in.config.MaxBacklog) > in.config.MaxBacklog {
		return &FullError{Backlog: waiting, Wait: storeRetryAfter}
	}
	b.arriving += n
	return nil
}

// count counts. If the store panics others may count again.
func (in *Inbox) count(ctx context.Context) (err error) {
	start := time.Now()
	n, ok := 0, false
	defer func() { in.backlog.count(n, ok, time.Since(start)) }()
	n, err = in.config.Store.Backlog(ctx, in.config.MaxBacklog)
	ok = err == nil
	return err
}

// due reports whether it is time for a count, and for the caller to do it.
func (b *backlog) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counting || time.Now().Before(b.next) {
		return false
	}
	b.counting = true
	return true
}

func (b *backlog) count(n int, ok bool, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counting = false
	if ok {
		b.counted = n
		b.next = time.Now().Add(max(minCount, countShare*took))
	}
}

func (b *backlog) settle(n, stored int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arriving -= n
	b.counted += stored
}
