package shop

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	batchSize    = 50                     // most events in one call
	flushEvery   = 100 * time.Millisecond // longest time that an event waits for company
	maxPending   = 10_000                 // events that may wait; those above it are lost
	batchTimeout = 30 * time.Second       // all attempts at one batch
)

// LostEventsError counts the events that analytics did not take. No order is lost
// with them.
type LostEventsError struct {
	Lost int
	Err  error // why the last of them were lost
}

// Error names the count and the last cause.
func (e *LostEventsError) Error() string {
	return fmt.Sprintf("shop: %d analytics events lost: %v", e.Lost, e.Err)
}

// Unwrap returns the last cause.
func (e *LostEventsError) Unwrap() error { return e.Err }

var errTooMany = fmt.Errorf("more than %d are waiting", maxPending)

// event is something that happened to an order. An id that the provider knows already
// is not counted again, which makes a batch safe to repeat.
type event struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Order string `json:"order"`
}

// analytics gathers events and sends them in batches from a goroutine of its own, so
// that no order waits for them.
type analytics struct {
	url    string
	client *http.Client

	full chan struct{} // holds a value when a batch is full
	stop chan struct{} // closed to flush and end
	done chan struct{} // closed when run has ended

	mu      sync.Mutex
	pending []event
	lost    int
	lastErr error
}

func newAnalytics(url string, client *http.Client) *analytics {
	return &analytics{
		url:    url,
		client: client,
		full:   make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
}

// track keeps an event for the next batch. It never waits.
func (a *analytics) track(orderID, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pending) == maxPending {
		a.lost++
		a.lastErr = errTooMany
		return
	}
	a.pending = append(a.pending, event{ID: orderID + "/" + name, Name: name, Order: orderID})
	if len(a.pending) >= batchSize {
		select {
		case a.full <- struct{}{}:
		default: // run knows already
		}
	}
}

// run sends batches until stop is closed and nothing is left.
func (a *analytics) run(ctx context.Context) {
	defer close(a.done)
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for stopped := false; !stopped; {
		select {
		case <-ticker.C:
		case <-a.full:
		case <-a.stop:
			stopped = true
		}
		for more := true; more; {
			events := a.next()
			more = len(events) == batchSize // what came during a call waits for company again
			if len(events) == 0 {
				break
			}
			// Its first event names a batch, also after a restart of the shop.
			if err := a.send(ctx, "batch/"+events[0].ID, events); err != nil {
				a.lose(len(events), err)
			}
		}
	}
}

// next takes the oldest events, at most a batch of them.
func (a *analytics) next() []event {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := min(len(a.pending), batchSize)
	events := a.pending[:n:n]
	a.pending = a.pending[n:]
	return events
}

func (a *analytics) lose(n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost += n
	a.lastErr = err
}

func (a *analytics) send(ctx context.Context, batch string, events []event) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	req, err := request(ctx, http.MethodPost, a.url+"/v1/events", map[string]any{
		"batch":  batch,
		"events": events,
	})
	if err != nil {
		return err
	}
	req.Header.Set(idempotencyKey, batch)
	return do(a.client, req, "analytics: events", nil)
}

// result returns a *LostEventsError if events were lost.
func (a *analytics) result() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lost == 0 {
		return nil
	}
	return &LostEventsError{Lost: a.lost, Err: a.lastErr}
}
