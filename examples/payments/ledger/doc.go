// Package ledger books payments that providers tell of by webhooks, each of them once.
// It is written to be read and copied.
//
// A webhook.Receiver for each source verifies what comes. An inbox stores it in a
// SQLite file before the source gets its answer. A handler then writes the entry of
// the ledger in the transaction that ends the event (inbox.Config.HandleTx), so that
// there is neither an event without its entry nor an entry that is there twice, however
// often the source sends it and whenever the program dies.
//
// An entry is an amount, and what counts is their sum. So it does not matter in which
// order events come: a refund may be booked before its payment.
package ledger
