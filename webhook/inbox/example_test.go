package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
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

// A webhook.Receiver verifies, and answers when the events are stored: 503 if
// they could not be.
func ExampleInbox_receiver() {
	in, err := inbox.New(inbox.Config{Store: inbox.NewMemory()})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, _ := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
	verifier, _ := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{signer.Key()}})
	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := receiver.Handler(func(ctx context.Context, events []webhook.Event) error {
		all := make([]inbox.Event, len(events))
		for i, e := range events {
			all[i] = inbox.Event{
				Source: e.Source, ID: e.ID, IDSigned: e.IDSigned, Type: e.Type,
				Body: e.Body, Header: e.Header, Received: e.Received, Fingerprint: e.Fingerprint(),
			}
		}
		results, err := in.Put(ctx, all...)
		fmt.Println(results, err)
		return err
	})
	for range 2 {
		req, _ := signer.Request("https://example.com/hooks/stripe", []byte(`{"id":"evt_1","type":"invoice.paid"}`), time.Now())
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		fmt.Println(recorder.Code)
	}
	// Output:
	// [stored] <nil>
	// 204
	// [duplicate] <nil>
	// 204
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
