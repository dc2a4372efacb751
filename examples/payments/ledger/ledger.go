package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

const (
	workers  = 4                     // SQLite has one writer: more would wait for each other
	idlePoll = 10 * time.Millisecond // how often Idle looks
)

// There is no unique index on entries: that each event has its entry once is the
// doing of the transaction that ends it.
const schema = `
CREATE TABLE IF NOT EXISTS accounts (currency TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS entries (
	id INTEGER PRIMARY KEY,
	source TEXT NOT NULL,
	event TEXT NOT NULL,
	payment TEXT NOT NULL,
	order_id TEXT NOT NULL,
	currency TEXT NOT NULL REFERENCES accounts (currency),
	amount INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_order ON entries (order_id)`

// Source is somebody who sends webhooks.
type Source struct {
	// Name is the last part of its address, /hooks/name, and its name in the inbox.
	Name string
	// Verifier checks its signatures.
	Verifier *webhook.Verifier
	// Read says what an event means for the ledger. An error means that it cannot be
	// booked as it is: it is set aside for somebody to look at.
	Read func(kind string, body []byte) ([]Entry, error)
	// Rate is how many requests per second it may send from each of its addresses, and
	// Burst how many at once. A Rate of 0 means any number.
	Rate  float64
	Burst int
}

// Config says who sends webhooks, and who hears of them.
type Config struct {
	// Sources are those who send webhooks, at least one.
	Sources []Source
	// Booked, when not nil, is called with each entry after it was committed. After a
	// crash it may never be called: what must not be missed is read from the ledger.
	Booked func(Entry)
	// Logger gets what happens. nil means slog.Default().
	Logger *slog.Logger
	// Proxies end TLS in front of the program.
	Proxies webhook.Proxies
	// DangerouslyAllowHTTP takes requests that did not come by TLS.
	DangerouslyAllowHTTP bool
}

// NoAccountError means that an event is in a currency that there is no account for.
// It is set aside until somebody opens the account and has it handled again.
type NoAccountError struct{ Currency string }

// Error names the currency.
func (e *NoAccountError) Error() string {
	return "ledger: there is no account in " + e.Currency
}

// Ledger takes webhooks in and books them. It is safe for concurrent use.
type Ledger struct {
	config Config
	read   map[string]func(string, []byte) ([]Entry, error)
	db     *sql.DB
	store  *sqlstore.SQLite
	in     *inbox.Inbox
	mux    *http.ServeMux
}

// Open opens the ledger in a SQLite file, or makes one. It books nothing before Run.
func Open(ctx context.Context, path string, c Config) (l *Ledger, err error) {
	address := url.URL{Path: path} // in which a ? is escaped
	db, err := sql.Open("sqlite", "file:"+address.EscapedPath()+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, err
	}
	l = &Ledger{config: c, read: map[string]func(string, []byte) ([]Entry, error){}, db: db, mux: http.NewServeMux()}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("ledger: %w", err), l.Close(context.WithoutCancel(ctx)))
			l = nil
		}
	}()
	if l.store, err = sqlstore.NewSQLite(ctx, db, sqlstore.Config{}); err != nil {
		return l, err
	}
	if _, err = db.ExecContext(ctx, schema); err != nil {
		return l, err
	}
	if l.in, err = inbox.New(inbox.Config{
		Store:    l.store,
		HandleTx: l.book,
		Workers:  workers,
		Hooks:    l.hooks(),
	}); err != nil {
		return l, err
	}
	return l, l.route()
}

// route gives each source its receiver.
func (l *Ledger) route() error {
	if len(l.config.Sources) == 0 {
		return errors.New("there are no sources")
	}
	for _, s := range l.config.Sources {
		if l.read[s.Name] != nil || s.Name != url.PathEscape(s.Name) || s.Name == "" {
			return fmt.Errorf("the source %q is there twice, or no part of an address", s.Name)
		}
		l.read[s.Name] = s.Read
		receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{
			Verifier:             s.Verifier,
			Name:                 s.Name,
			Rate:                 s.Rate,
			Burst:                s.Burst,
			Proxies:              l.config.Proxies,
			DangerouslyAllowHTTP: l.config.DangerouslyAllowHTTP,
			Hooks:                webhook.LogHooks(l.config.Logger),
		})
		if err != nil {
			return err
		}
		l.mux.Handle("/hooks/"+s.Name, receiver.Handler(l.take))
	}
	return nil
}

// ServeHTTP takes the webhooks of all sources, each at /hooks and its name.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.mux.ServeHTTP(w, r) }

// take stores events. When it returns nil the source is told that they are safe.
func (l *Ledger) take(ctx context.Context, events []webhook.Event) error {
	all := make([]inbox.Event, len(events))
	for i, e := range events {
		all[i] = inbox.Event{
			Source: e.Source, ID: e.ID, IDSigned: e.IDSigned, Type: e.Type,
			Body: e.Body, Header: e.Header, Received: e.Received, Fingerprint: e.Fingerprint(),
		}
	}
	_, err := l.in.Put(ctx, all...)
	return err
}

// entries returns what an event says.
func (l *Ledger) entries(d *inbox.Delivery) ([]Entry, error) {
	read := l.read[d.Source]
	if read == nil {
		return nil, errors.New("ledger: there is no such source any more")
	}
	return read(d.Type, d.Body)
}

// book writes the entries of an event. What cannot be booked now cannot be booked a
// minute later, either, so it is dead at once, and waits for a mend and a replay.
// Errors of the database are tried again.
func (l *Ledger) book(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
	entries, err := l.entries(d)
	if err != nil {
		return inbox.Permanent(err)
	}
	for _, e := range entries {
		result, err := tx.ExecContext(ctx, `INSERT INTO entries (source, event, payment, order_id, currency, amount)
			SELECT ?, ?, ?, ?, currency, ? FROM accounts WHERE currency = ?`,
			d.Source, d.ID, e.Payment, e.Order, e.Amount, e.Currency)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return inbox.Permanent(&NoAccountError{e.Currency})
		}
	}
	return nil
}

// hooks log, and tell Config.Booked.
func (l *Ledger) hooks() inbox.Hooks {
	hooks := inbox.LogHooks(l.config.Logger)
	if l.config.Booked == nil {
		return hooks
	}
	log := hooks.Done
	hooks.Done = func(a inbox.Attempt) {
		log(a)
		entries, err := l.entries(a.Delivery)
		if err != nil {
			return // it was booked, so it can be read
		}
		for _, e := range entries {
			l.config.Booked(e)
		}
	}
	return hooks
}

// Run books what has come, until ctx ends and what is in work is done.
func (l *Ledger) Run(ctx context.Context) error { return l.in.Run(ctx) }

// Close closes the file. Nothing may be taken in or booked any more.
func (l *Ledger) Close(ctx context.Context) error {
	var err error
	if l.store != nil {
		err = l.store.Close(ctx)
	}
	return errors.Join(err, l.db.Close())
}
