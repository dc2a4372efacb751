// Package sqldb is what the stores in SQL databases share: the steps of a schema,
// statements for two dialects, one writer for SQLite, and transactions that
// PostgreSQL may have to be asked for again. It imports no driver.
package sqldb
