// Package sqlstore keeps an inbox in a database, by database/sql: [SQLite] for one
// machine, without anything to run, and [Postgres] for many. It imports no driver.
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", "inbox.db")
//	…
//	store, err := sqlstore.NewSQLite(ctx, db, sqlstore.Config{})
//
// Both are tested with modernc.org/sqlite, and with github.com/jackc/pgx/v5/stdlib
// on PostgreSQL 15. Other drivers should do; package storetest tells.
//
// # Tables
//
// There are three, whose names begin with Config.Prefix: _events, what came, which
// is never changed; _work, what becomes of it; and _schema, the version. They are
// made, and brought to the current version, when a store is made, unless
// Config.SkipMigration is set. They may be read by anybody. Times are
// microseconds since 1970, and the states are numbered as in package inbox.
//
// # SQLite
//
// All that this process writes goes through one connection, which commits what
// has come in while the commit before ran, with one sync of the disk for all.
// Each transaction of a handler is one of its own, and holds up the others.
//
// A file of SQLite does not shrink when events are forgotten: their room is used
// again. To copy one that is in use needs VACUUM INTO or the like.
//
// # PostgreSQL
//
// Workers claim with FOR UPDATE SKIP LOCKED. Events of the same key, and those
// that are put several at a time, take advisory locks for the time of their
// transaction. Times are those of the database, so that the clocks of the
// machines do not matter.
//
// With Config.Notify each commit that has put events notifies a channel. With pgx
// a worker hears of it like this, on a connection of its own:
//
//	conn, err := pgx.Connect(ctx, dsn)
//	…
//	_, err = conn.Exec(ctx, "LISTEN holdfast")
//	for err == nil {
//		in.Wake() // the first time for what was put before
//		_, err = conn.WaitForNotification(ctx)
//	}
//
// When it ends, connect again; until then the worker polls.
package sqlstore
