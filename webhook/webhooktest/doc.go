// Package webhooktest signs requests as providers do, for tests of what
// receives them.
//
//	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
//	…
//	verifier, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{signer.Key()}})
//	…
//	req, err := signer.Request("https://example.com/hooks/stripe", body, time.Now())
//	handler.ServeHTTP(httptest.NewRecorder(), req)
//
// It reads a [webhook.Scheme] by itself and shares no code with the verifying,
// so that a mistake in one of the two is not made by the other.
package webhooktest
