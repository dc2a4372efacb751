// Package sqlstore keeps the messages of a sender in a database, by database/sql:
// [SQLite] for one machine, without anything to run, and [Postgres] for many. It
// imports no driver.
//
//	import _ "github.com/jackc/pgx/v5/stdlib"
//
//	db, err := sql.Open("pgx", dsn)
//	…
//	store, err := sqlstore.NewPostgres(ctx, db, sqlstore.Config{})
//	hooks, err := sender.New(sender.Config{Store: store, Endpoint: lookUp})
//
// Both are tested with modernc.org/sqlite, and with github.com/jackc/pgx/v5/stdlib
// on PostgreSQL 15. Other drivers should do; package storetest tells. SQLite must
// be 3.35 or later, PostgreSQL 9.5 or later.
//
// # Outbox
//
// Both are a [sender.TxStore]: what [sender.Sender.EnqueueTx] puts is there if
// the transaction of the program commits, and only then. The transaction is one
// of the same database, of any *sql.DB. What it has put can be claimed from its
// commit on; Run finds it at its next poll, or at once after [sender.Sender.Wake].
//
//	tx, err := db.BeginTx(ctx, nil)
//	…
//	_, err = tx.ExecContext(ctx, "UPDATE orders SET paid = true WHERE id = $1", order)
//	_, err = hooks.EnqueueTx(ctx, tx, sender.Message{Endpoint: "customer-17", Body: body})
//	if err = tx.Commit(); err == nil {
//		hooks.Wake()
//	}
//
// # Tables
//
// There are four, whose names begin with Config.Prefix: _messages, what is to be
// sent, which is never changed; _work, what becomes of it; _endpoints, what is
// known of those that have failed, or are disabled; and _schema, the version.
// They are made, and brought to the current version, when a store is made,
// unless Config.SkipMigration is set. They may be read by anybody. Times are
// microseconds since 1970, and the states are numbered as in package sender.
//
// A claim looks at each endpoint for which messages wait, however many they are,
// and at no message that it does not take.
//
// # SQLite
//
// All that this process writes goes through one connection, which commits what
// has come in while the commit before ran, with one sync of the disk for all. A
// transaction of the program's is another writer, and SQLite has one at a time:
// it should begin with BEGIN IMMEDIATE, have a busy_timeout, and be short. As
// long as it is open nothing is claimed, and no end of an attempt recorded; after
// five seconds these fail, and are tried again. What it has put is as durable as
// its own connection is: see PRAGMA synchronous.
//
// # PostgreSQL
//
// One claim is made at a time, which an advisory lock sees to: two could take
// more of an endpoint than it may have. Nothing else waits for it. Puts take no
// lock but on their own rows.
//
// With Config.Notify each commit that has put messages notifies a channel. With pgx
// a worker hears of it like this, on a connection of its own:
//
//	conn, err := pgx.Connect(ctx, dsn)
//	…
//	_, err = conn.Exec(ctx, "LISTEN holdfast")
//	for err == nil {
//		hooks.Wake() // the first time for what was put before
//		_, err = conn.WaitForNotification(ctx)
//	}
//
// When it ends, connect again; until then the worker polls.
package sqlstore
