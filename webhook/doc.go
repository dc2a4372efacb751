// Package webhook receives webhooks: it verifies that a request comes from the
// provider, and takes it in with care.
//
//	verifier, err := webhook.New(webhook.Config{
//		Scheme: webhook.Stripe(),
//		Keys:   webhook.Keys(os.Getenv("STRIPE_WEBHOOK_SECRET")),
//	})
//	…
//	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier})
//	…
//	mux.Handle("/hooks/stripe", receiver.Handler(store))
//
// [Verifier.Verify] alone is for programs that read requests by themselves,
// [Receiver.Verify] is the middleware for those that answer by themselves, and
// [HMACVerifier] is for a bare signature.
//
// # Schemes
//
// A [Scheme] says, as data, where a provider puts its signatures, how they are
// made and what they cover. There is one for each provider that this package
// knows; another takes a few lines. What decides, such as the algorithm, the
// version and the form of a timestamp, is in the Scheme and never in the
// request: an unknown version does not count, the same field twice is refused,
// and a signature has one text only.
//
// A Scheme.Verify of one's own is the place for what is not of this form, HTTP
// Message Signatures for example.
//
// # What is proved
//
// A good signature does not prove the same for all providers, and [Verified]
// says what it does. GitHub, for one, signs neither the time nor the ID of a
// delivery: whoever has seen one request can send it again, at any time and
// under any ID. What stays the same is the Fingerprint. Mailgun, Adyen and
// PayPal do not sign the body, or not all of it: there it is a hint.
//
// # Bytes
//
// What was signed are bytes. A body that was parsed and written again is another
// body, so there is no way to give a Verifier anything but bytes, and nothing
// is parsed before its signature is known to be good, unless the signature is
// in it. [Verifier.Explain] finds out what has become of a body, a secret, a
// URL or a clock, for those who try for the first time.
//
// # When not
//
// Neither Verifier nor Receiver remembers anything: they do not tell a second
// delivery from the first. Providers send again what was not answered with a
// 2xx in a few seconds, so what takes longer is for a queue.
//
// # The other side
//
// [Idempotency] is for an API of one's own whose clients send again: a request
// with the same Idempotency-Key is done once.
package webhook
