// Package inbox keeps webhooks until they are handled. It acknowledges an event
// when it is durable, and handles it later, as often as it takes, on this machine
// or another.
//
//	store, err := sqlstore.NewSQLite(ctx, db, sqlstore.Config{})
//	…
//	in, err := inbox.New(inbox.Config{
//		Store: store,
//		Handle: func(ctx context.Context, d *inbox.Delivery) error {
//			return ship(ctx, d.Body, d.IdempotencyKey())
//		},
//	})
//	…
//	go in.Run(ctx)
//	mux.Handle("POST /hooks", receiver.Handler(func(ctx context.Context, events []webhook.Event) error {
//		_, err := in.Put(ctx, convert(events)...) // an error becomes 503, with Retry-After
//		return err
//	}))
//
// Without an inbox a webhook is handled while its source waits: what takes long
// is sent again while it runs, and what fails depends on how often, and how long,
// the source tries. With a queue and a table of known IDs beside each other, what
// is in one and not in the other is lost, or done twice.
//
// Use it for events that must not be lost. Do not use it where the source asks
// for the result in the answer.
//
// # What it guarantees
//
//	G1  What Put has returned nil for is durable.
//	G2  Each stored event is tried until it is Done or Dead, whatever dies. So it
//	    is handled at least once, and sometimes more than once.
//	G3  An event is stored once, however often it comes, as long as it is
//	    remembered (Config.KeepDone): what its duplicates are known by is unique
//	    in the store, and written together with it.
//	G4  One attempt of those that overlap can end an event. The others find that
//	    their token is stale, see [ErrStale].
//	G5  What Config.HandleTx writes to the database of the store is written once:
//	    its transaction ends the event, too.
//
// Not guaranteed, because nobody can: that Handle has its effects elsewhere
// once. Pass [Delivery.IdempotencyKey] to whoever honours such keys.
//
// They hold when a process dies at any point:
//
//	before Put                   nothing is stored; the source sends it again
//	inside Put                   it is stored or not; the source sends it again
//	between Put and the answer   the source sends it again: a Duplicate, acknowledged
//	copies that come meanwhile   they wait for the same commit, or a later one
//	before it is claimed         it is found by whoever runs next
//	in the handler               its lease runs out, then somebody else has it: G2
//	after the handler            the same, though it was handled: G5 or its key
//	after the end is stored      it is Done
//	not dead, but stopped past   the context of the handler ends, and what it says
//	  the end of its lease       is refused: G4
//	the disk is full or broken   Put returns an error; the source sends it again
//	older than KeepDone          a late copy is a new event: keep it for longer than
//	                             the source tries
//
// # What is the same event
//
// The one with the same Source and ID, if the signature covers the ID. If it
// comes with another Fingerprint, that is of another content, it is a Reuse: it
// is Quarantined for somebody to look at, and not handled; or ignored, see
// Config.Reused. An ID that is not signed can be changed by whoever has one
// request to send again, so there the Fingerprint tells as well: the same content
// is the same event under any ID.
//
// # Order
//
// Events with a Key are handled one after the other, in the order in which they
// were stored; those that fail hold back the later ones until they are Done or
// Dead, and with Config.HoldKey when they are Dead, too. Between keys, and
// without one, there is no order.
//
// # Poison
//
// An event that ends its process, by a fatal error or for lack of memory, comes
// back like any other. An attempt counts before the handler runs, so that the
// event is Dead after Config.MaxCrashes of them. After a crash nobody knows which
// event has caused it: those that were being handled are handled one at a time,
// with nothing beside them, so that one does not take the others with it.
//
// # Limits
//
// At most Config.Workers events, and their bodies, are in memory. The store holds
// at most about Config.MaxBacklog that are not handled yet; then Put returns a
// [*FullError]. What was handled is kept for Config.KeepDone, what is Dead or
// Quarantined for Config.KeepDead.
package inbox
