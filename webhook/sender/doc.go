// Package sender sends webhooks to URLs that others have chosen: signed as
// Standard Webhooks asks for, again and again until they are taken, and never
// into a private network.
//
//	hooks, err := sender.New(sender.Config{Store: store, Endpoint: lookUp})
//	…
//	go hooks.Run(ctx)
//	…
//	_, err = hooks.Enqueue(ctx, sender.Message{Endpoint: "customer-17", Body: body})
//
// lookUp is a func of the program's: it returns the [Endpoint], URL and keys, that
// a name stands for. Where endpoints and their secrets are kept, and how they
// are encrypted, is the program's affair.
//
// # What is promised
//
// A message that Enqueue has stored is delivered at least once, or is Dead when
// its schedule ends. Each attempt has the same webhook-id, by which the receiver
// knows a second delivery, and a timestamp and signatures of its own. After a
// crash what was under way is sent again.
//
// Nothing is promised about the order: a message that is tried again comes after
// later ones. A receiver that needs it must find it in the body.
//
// [Sender.EnqueueTx] makes the message part of a transaction of the program's
// (an outbox), if the Store is in the same database: it is sent if what it tells
// of is committed, and only then. Package sqlstore has such stores.
//
// # Who waits for whom
//
// At most Config.PerEndpoint attempts go to an endpoint at a time, so one that
// hangs keeps few of the workers. A circuit of package breaker stops attempts at
// an endpoint that is down; it is paused then, which costs its messages no
// attempt. A Retry-After is honoured: by the message within an hour or twice its
// delay, and by the endpoint, after a 429 or 503, within an hour.
//
// An endpoint at which all has failed for five days, or that answers 410, is
// disabled: Hooks.Disabled is told, its messages wait until [Sender.Enable],
// and are forgotten after Config.Keep.
//
// # What goes out, and what comes back
//
// A request has the body, its type, the User-Agent and the three fields of
// Standard Webhooks. There is nowhere to put anything else, no cookie and no
// credential of ours. Answers are read for their status and their Retry-After;
// the body is thrown away, since whoever chose the URL could have it shown to
// him. Redirects are failures: whoever has moved tells us so by another way.
//
// # Keys
//
// Messages are signed with all keys of an endpoint that are in use, so that a
// receiver can replace his at any time of an overlap: see [Rotate].
//
// # The guard
//
// Whoever may name a URL may name one inside: a metadata service that hands out
// credentials, a database, a neighbour that trusts this machine. A [Guard]
// keeps connections out of networks that are not public. A message to such an
// address is Dead at once, and can be replayed. It can be used alone:
//
//	guard, err := sender.NewGuard(sender.GuardConfig{})
//	…
//	client := &http.Client{Transport: guard.Transport()}
//
// # When not
//
// Calls to APIs that the program itself has chosen are for an http.Client with
// packages retry and breaker, which can be told what came of them.
package sender
