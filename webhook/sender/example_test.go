package sender_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

func Example() {
	secret := sender.GenerateSecret()
	delivered := make(chan sender.Attempt)
	hooks, err := sender.New(sender.Config{
		Store: sender.NewMemory(1000),
		Endpoint: func(_ context.Context, name string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "https://" + name + ".example.com/hooks", Keys: []sender.Key{{Secret: secret}}}, nil
		},
		Hooks: sender.Hooks{Delivered: func(a sender.Attempt) { delivered <- a }},
		// In place of the internet.
		DangerouslyTransport: rttest.NewScript(rttest.Step{Status: http.StatusNoContent}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- hooks.Run(ctx) }()

	if _, err := hooks.Enqueue(ctx, sender.Message{Endpoint: "customer-17", ID: "evt_1", Body: []byte(`{"type":"order.paid"}`)}); err != nil {
		fmt.Println(err)
	}
	a := <-delivered
	fmt.Println(a.Message.ID, "to", a.Message.Endpoint, "attempt", a.Number, "status", a.Status)
	stop()
	fmt.Println(<-ended)
	// Output:
	// evt_1 to customer-17 attempt 1 status 204
	// <nil>
}

// A Guard alone, for any client that fetches what strangers name.
func ExampleNewGuard() {
	guard, err := sender.NewGuard(sender.GuardConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: guard.Transport(), Timeout: 10 * time.Second}
	_, err = client.Get("https://169.254.169.254/latest/meta-data/")
	fmt.Println(err)
	_, err = guard.CheckURL("https://2130706433/")
	fmt.Println(err)
	// Output:
	// Get "https://169.254.169.254/latest/meta-data/": sender: the address is blocked: a metadata service
	// sender: the URL has an address as a number, or in an old form
}

// CheckURL alone is no guard: it knows nothing of the address that a name will
// mean when it is dialled. Only the transport of the Guard does.
func ExampleGuard_CheckURL_incorrect() {
	guard, err := sender.NewGuard(sender.GuardConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = guard.CheckURL("https://a-name-for-127-0-0-1.example.com/")
	fmt.Println(err)
	// Output: <nil>
}

func ExampleRotate() {
	keys := []sender.Key{{Secret: webhook.NewSecret("whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcyE=")}}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	keys = sender.Rotate(keys, sender.GenerateSecret(), now, 24*time.Hour)
	for _, k := range keys {
		fmt.Println(k.Secret, k.Until.Format(time.DateOnly))
	}
	// Output:
	// [redacted] 0001-01-01
	// [redacted] 2030-01-02
}
