// Package webhooktest signs requests as providers do, and mistreats them as
// others do, for tests of what receives them.
//
//	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
//	…
//	verifier, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{signer.Key()}})
//	…
//	req, err := signer.Request("https://example.com/hooks/stripe", body, time.Now())
//	handler.ServeHTTP(httptest.NewRecorder(), req)
//
// [Storm] sends a request many times at once, and [Mangled] yields what bad
// proxies make of a body. The stores of an inbox that fail on command are in
// package inbox/storetest.
//
// It reads a [webhook.Scheme] by itself and shares no code with the verifying,
// so that a mistake in one of the two is not made by the other.
package webhooktest
