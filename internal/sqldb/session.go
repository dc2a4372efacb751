package sqldb

import (
	"context"
	"database/sql"
)

// Session is a connection, and what was prepared on it. It is a [Database] whose
// statements are prepared, of which there should be few.
type Session struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

// closeStatements must come before the end of a connection, which keeps its locks
// and its memory as long as it has statements.
func (s *Session) closeStatements() {
	for _, stmt := range s.prepared {
		_ = stmt.Close()
	}
}

// stmt prepares a statement once.
func (s *Session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.PrepareContext(ctx, query)
	if err == nil {
		s.prepared[query] = stmt
	}
	return stmt, err
}

// ExecContext executes a prepared statement.
func (s *Session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext queries with a prepared statement.
func (s *Session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRowContext queries one row. Its statement is not prepared, for a Row has
// nowhere to put the error of preparing it.
func (s *Session) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.Conn.QueryRowContext(ctx, query, args...)
}
