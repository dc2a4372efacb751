package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func ExampleNew() {
	verifier, err := webhook.New(webhook.Config{
		Scheme: webhook.GitHub(),
		// While a secret is being replaced there are two.
		Keys: []webhook.Key{
			{ID: "2026", Secret: webhook.NewSecret("a new secret of some length")},
			{ID: "2025", Secret: webhook.NewSecret("It's a Secret to Everybody")},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	req := httptest.NewRequest(http.MethodPost, "https://example.com/hooks/github", nil)
	req.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	verified, err := verifier.Verify(req, []byte("Hello, World!"))
	fmt.Println(verified.KeyID, err)
	fmt.Println("time signed:", verified.TimestampSigned, "id signed:", verified.IDSigned)

	_, err = verifier.Verify(req, []byte("Hello, World?"))
	fmt.Println(errors.Is(err, webhook.ErrBadSignature), err)
	// Output:
	// 2025 <nil>
	// time signed: false id signed: false
	// true webhook: github: bad signature
}

func ExampleReceiver_Handler() {
	signer, _ := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
	verifier, _ := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{signer.Key()}})

	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := receiver.Handler(func(_ context.Context, events []webhook.Event) error {
		for _, e := range events {
			fmt.Println(e.Source, e.Type, e.ID) // store it, and work on it later
		}
		return nil // it is safe: the provider need not send it again
	})

	req, _ := signer.Request("https://example.com/hooks/stripe", []byte(`{"id":"evt_1","type":"invoice.paid"}`), time.Now())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	fmt.Println(w.Code)
	// Output:
	// stripe invoice.paid evt_1
	// 204
}

func ExampleReceiver_Verify() {
	signer, _ := webhooktest.New(webhooktest.Config{Scheme: webhook.Discord()})
	verifier, _ := webhook.New(webhook.Config{Scheme: webhook.Discord(), Keys: []webhook.Key{signer.Key()}})
	receiver, _ := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})

	mux := http.NewServeMux()
	mux.Handle("POST /discord", receiver.Verify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you sent %s", webhook.EventsFrom(r.Context())[0].Body)
	})))

	for _, body := range []string{`{"type":1}`, `{"type":2}`} { // the first is Discord's handshake
		req, _ := signer.Request("https://example.com/discord", []byte(body), time.Now())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, req)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"type":1}
	// 200 you sent {"type":2}
}

func ExampleVerifier_Explain() {
	verifier, _ := webhook.New(webhook.Config{Scheme: webhook.GitHub(), Keys: webhook.Keys("It's a Secret to Everybody")})
	req := httptest.NewRequest(http.MethodPost, "https://example.com/hooks/github", nil)
	req.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")

	fmt.Println(verifier.Explain(req, []byte("Hello, World!\n")))
	// Output:
	// webhook: github: bad signature
	// body: the body is not the one that was signed: a line break was added at its end
}

func ExampleNewHMACVerifier() {
	verifier, err := webhook.NewHMACVerifier(webhook.HMACConfig{
		Secrets: []webhook.Secret{webhook.NewSecret("It's a Secret to Everybody")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	const signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	fmt.Println(verifier.Verify([]byte("Hello, World!"), signature))
	fmt.Println(verifier.Verify([]byte("hello, world!"), signature))
	// Output:
	// <nil>
	// webhook: hmac: bad signature
}

// A provider that this package does not know is a few lines.
func ExampleScheme() {
	acme := webhook.Scheme{
		Name:      "acme",
		Headers:   []string{"X-Acme-Signature"},
		Separator: ",",
		Versions:  []webhook.Version{{Prefix: "v2=", Algorithm: webhook.HMACSHA512}},
		Signed:    "{timestamp}.{body}",
		Timestamp: webhook.Field{Item: "t="},
		ID:        webhook.Field{JSON: "event.id"},
	}
	signer, _ := webhooktest.New(webhooktest.Config{Scheme: acme})
	verifier, err := webhook.New(webhook.Config{Scheme: acme, Keys: []webhook.Key{signer.Key()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"event":{"id":"e1"}}`)
	req, _ := signer.Request("https://example.com/hooks/acme", body, time.Now())
	verified, err := verifier.Verify(req, body)
	fmt.Println(verified.ID(), verified.IDSigned, err)
	// Output: e1 true <nil>
}

// What was parsed and written again is another body. Keep the bytes.
func ExampleVerifier_Verify_incorrect() {
	signer, _ := webhooktest.New(webhooktest.Config{Scheme: webhook.GitHub()})
	verifier, _ := webhook.New(webhook.Config{Scheme: webhook.GitHub(), Keys: []webhook.Key{signer.Key()}})
	req, _ := signer.Request("https://example.com/hooks/github", []byte(`{"a": 1}`), time.Now())

	written := []byte(`{"a":1}`) // as json.Marshal writes it
	_, err := verifier.Verify(req, written)
	fmt.Println(err)
	// Output: webhook: github: bad signature
}

func ExampleNewIdempotency() {
	store, _ := webhook.NewMemoryStore(0, 0)
	idempotency, err := webhook.NewIdempotency(webhook.IdempotencyConfig{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := 0
	handler := idempotency.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		orders++
		fmt.Fprintf(w, "order %d", orders)
	}))
	for _, body := range []string{"a book", "a book", "two books"} {
		req := httptest.NewRequest(http.MethodPost, "https://example.com/orders", strings.NewReader(body))
		req.Header.Set("Idempotency-Key", `"8e03978e"`)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 order 1
	// 200 order 1
	// 422 {"title":"Idempotency-Key was used for another request","status":422}
}
