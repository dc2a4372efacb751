package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// An event is handled after it was acknowledged, and tried again when that
// fails.
func ExampleInbox() {
	ctx, cancel := context.WithCancel(context.Background())
	in, err := inbox.New(inbox.Config{
		Store: inbox.NewMemory(), // package sqlstore has durable ones
		Handle: func(_ context.Context, d *inbox.Delivery) error {
			defer cancel()
			fmt.Printf("attempt %d at %s: %s\n", d.Attempt, d.ID, d.Body)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	event := inbox.Event{Source: "stripe", ID: "evt_1", IDSigned: true, Body: []byte(`{"paid":true}`)}
	for range 2 {
		results, err := in.Put(ctx, event)
		fmt.Println(results, err)
	}
	_ = in.Run(ctx) // until ctx ends
	// Output:
	// [stored] <nil>
	// [duplicate] <nil>
	// attempt 1 at evt_1: {"paid":true}
}

// What a handler returns says when an event is tried again, and whether.
func ExamplePermanent() {
	handle := func(_ context.Context, d *inbox.Delivery) error {
		switch d.Type {
		case "":
			return inbox.Permanent(errors.New("an event without a type"))
		case "report":
			return inbox.RetryAfter(time.Hour, errors.New("not ready"))
		}
		return nil // Done
	}
	fmt.Println(handle(context.Background(), &inbox.Delivery{}))
	fmt.Println(handle(context.Background(), &inbox.Delivery{Event: inbox.Event{Type: "report"}}))
	// Output:
	// an event without a type
	// not ready
}

// A handler of one's own answers 503, and says when to come again, if an event
// was not stored. A webhook.Receiver does so by itself.
func ExampleInbox_Put() {
	in, err := inbox.New(inbox.Config{Store: inbox.NewMemory(), MaxBacklog: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := func(ctx context.Context, events ...inbox.Event) (status int, retryAfter time.Duration) {
		_, err := in.Put(ctx, events...)
		var later interface{ RetryAfter() time.Duration }
		switch {
		case err == nil:
			return http.StatusNoContent, 0
		case errors.As(err, &later):
			return http.StatusServiceUnavailable, later.RetryAfter()
		}
		return http.StatusInternalServerError, 0 // it can never be stored
	}
	fmt.Println(answer(context.Background(), inbox.Event{Source: "github", Body: []byte("1")}))
	fmt.Println(answer(context.Background(), make([]inbox.Event, 1)...))
	for i := range 9 {
		answer(context.Background(), inbox.Event{Source: "github", Body: fmt.Append(nil, 2+i)})
	}
	fmt.Println(answer(context.Background(), inbox.Event{Source: "github", Body: []byte("11")}))
	// Output:
	// 204 0s
	// 500 0s
	// 503 5s
}

// Who is told before the event is durable may never hear of it again.
func ExampleInbox_Put_incorrect() {
	in, err := inbox.New(inbox.Config{Store: inbox.NewMemory()})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusAccepted) // the source forgets the event now
		go func() {
			// The program may end, the store fail, and the request's context is over.
			_, _ = in.Put(req.Context(), inbox.Event{Source: "stripe"})
		}()
	}
	_ = handler
	// Output:
}
