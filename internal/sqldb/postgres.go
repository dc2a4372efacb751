package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
)

// MaxTries is how often a transaction is tried that PostgreSQL has ended because
// of another one.
const MaxTries = 5

// Repeat calls f again while its error is a deadlock or a failure to serialize:
// PostgreSQL ends a transaction to free others that waited in a circle.
func Repeat(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == MaxTries || !again(err) || ctx.Err() != nil {
			return err
		}
	}
}

// again knows these errors by a method that the known drivers have.
func again(err error) bool {
	state, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	return ok && (state.SQLState() == "40P01" || state.SQLState() == "40001")
}

// Once runs f in a transaction of PostgreSQL, and commits it if f returns nil.
func Once(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	// What is read after a lock was waited for must be what is true then.
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to undo
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Transaction is Once, repeated.
func Transaction(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	return Repeat(ctx, func() error { return Once(ctx, db, f) })
}

// MigratePostgres is [Steps.Migrate] in a transaction of its own. Others who do
// the same wait for lock, an advisory one.
func (s Steps) MigratePostgres(ctx context.Context, db *sql.DB, lock int64, prefix string, skip bool) error {
	return Transaction(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lock); err != nil {
			return err
		}
		return s.Migrate(ctx, tx, prefix, skip)
	})
}

// NameLock makes the number of an advisory lock, the first of 256, of a name.
// Those of a database are shared by all its users, so it should be no number
// that others think of.
func NameLock(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	sum[7] = 0
	return int64(binary.BigEndian.Uint64(sum[:])) // #nosec G115 -- any number will do
}
