package inbox

import (
	"context"
	"database/sql"
	"time"
)

// Store keeps events. Package sqlstore has one for SQLite and PostgreSQL, and
// [NewMemory] makes one that forgets all when the program ends. Package
// storetest tests any other.
//
// A Store must be safe for concurrent use. Each method is one transaction: when
// it returns a nil error what it did is durable, and visible to all who use the
// same store; when it returns an error it has done all or nothing. Times are
// given by the caller, who gets them from Now and the time that has passed since.
type Store interface {
	// Now is the time by the clock that all who use the store go by.
	Now(ctx context.Context) (time.Time, error)

	// Put stores entries, in their order, and returns what became of each. An
	// entry
	//
	//   - is a Duplicate if one is stored with the same Dedupe and Fingerprint,
	//     or with the same Content, unless that is zero;
	//   - otherwise, if one is stored with the same Dedupe, is Quarantined under
	//     Reuse instead of Dedupe, without its Content, and does not keep its Lane
	//     busy; but a Duplicate if Reuse is zero or one is stored under it;
	//   - otherwise is Stored. It is Pending and due now or, if its Lane is not
	//     zero and busy, Waiting. A lane is busy while an event of it is Pending,
	//     Leased or Waiting, or Dead and holding.
	//
	// It must not report a Duplicate of what is not durable yet, nor store two of
	// several copies that come at once.
	Put(ctx context.Context, now time.Time, entries []Entry) ([]Result, error)

	// Claim takes at most limit events that are due: Pending ones whose time has
	// come, and Leased ones whose lease is over, the longest due first. They
	// become Leased until the given time. Attempt grows by 1, and Crashes, too,
	// if the event was Leased. Nobody else gets the same Token.Fence for an event.
	Claim(ctx context.Context, now, until time.Time, limit int) ([]Claim, error)

	// Extend moves the ends of leases, and returns the tokens whose event is not
	// leased to them any more.
	Extend(ctx context.Context, tokens []Token, until time.Time) (lost []Token, err error)

	// Finish ends a lease. If it is not the token's any more it changes nothing
	// and returns [ErrStale]; that its time is over is no reason if nobody has
	// claimed the event since. An event that is Done, or Dead and does not hold,
	// leaves its lane, and the one in it that was stored first, if it is
	// Waiting, becomes Pending and due now.
	Finish(ctx context.Context, now time.Time, token Token, o Outcome) error

	// Backlog counts the events that are Pending, Leased or Waiting, up to limit.
	Backlog(ctx context.Context, limit int) (int, error)

	// List returns the events that fit, in the order in which they were stored.
	List(ctx context.Context, f Filter) ([]Record, error)

	// Replay makes those events Pending and due now that are Done, Dead,
	// Quarantined or Discarded, or Waiting if their lane is busy with another.
	// Attempt and Crashes start anew, Replays grows by 1. seqs are in ascending
	// order. It returns how many there were.
	Replay(ctx context.Context, now time.Time, seqs []int64) (int, error)

	// Discard makes those events Discarded that are Dead or Quarantined, and
	// frees the lanes that they hold, as Finish does. It returns how many there
	// were.
	Discard(ctx context.Context, now time.Time, seqs []int64) (int, error)

	// Purge forgets at most limit events that were Done or Discarded before
	// done, or Dead or Quarantined before dead; not those that hold a lane. It
	// returns how many there were. A zero time is before all.
	Purge(ctx context.Context, done, dead time.Time, limit int) (int, error)

	// Stats counts the events that are in the store.
	Stats(ctx context.Context) (Stats, error)
}

// TxStore is a Store in a database that handlers can write to in the same
// transaction.
type TxStore interface {
	Store

	// Transact calls fn in a transaction, makes the event Done in it as Finish
	// does, and commits. If the lease is not the token's any more it returns
	// [ErrStale], with fn not called or what it wrote undone. While it runs nobody
	// else can claim the event. An error of fn, a panic and runtime.Goexit undo
	// the transaction; the error is returned as it is.
	Transact(ctx context.Context, now time.Time, token Token, fn func(*sql.Tx) error) error
}

// State is where an event is on its way.
type State int

// The states. The numbers are stored.
const (
	// Pending events wait for their time, which may have come.
	Pending State = 1
	// Leased events are being handled or, if the lease is over, were.
	Leased State = 2
	// Waiting events wait for an earlier one of the same Source and Key.
	Waiting State = 3
	// Done events were handled. They are kept to know their duplicates.
	Done State = 4
	// Dead events will not be tried again unless somebody says so.
	Dead State = 5
	// Quarantined events came with the ID of another event but other content.
	// They were never handled.
	Quarantined State = 6
	// Discarded events were Dead or Quarantined, and somebody has decided that
	// nothing shall come of them.
	Discarded State = 7
)

// String returns the name of the state in lower case.
func (s State) String() string {
	names := [...]string{"unknown", "pending", "leased", "waiting", "done", "dead", "quarantined", "discarded"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// Result is what became of an event that was put.
type Result int

// The results. All of them mean that the source need not send it again.
const (
	// Stored means that it is new.
	Stored Result = iota + 1
	// Duplicate means that it was there already.
	Duplicate
	// Reuse means that its ID was there already with other content, and that it
	// is Quarantined.
	Reuse
)

// String returns the result in a word.
func (r Result) String() string {
	switch r {
	case Stored:
		return "stored"
	case Duplicate:
		return "duplicate"
	case Reuse:
		return "reuse"
	}
	return "unknown"
}

// Entry is an event as a [Store] gets it.
type Entry struct {
	Event
	// Dedupe is unique in the store.
	Dedupe Hash
	// Content is unique, too, if it is not zero.
	Content Hash
	// Reuse is the Dedupe under which an event is quarantined. Zero means that
	// it is a duplicate instead.
	Reuse Hash
	// Lane is that of Source and Key, zero if there is no Key.
	Lane Hash
}

// Token proves that an event is leased to whoever has it.
type Token struct {
	// Seq is the number of the event in its store. Later events have greater
	// ones, at least in the same lane, and no number is used twice.
	Seq int64
	// Fence grows with each claim and each replay of the event, so that a token
	// of an earlier claim is told from that of a later one.
	Fence int64
	// Lane is that of the event.
	Lane Hash
}

// Claim is an event that was leased.
type Claim struct {
	Token
	Event
	// Dedupe is that of the entry.
	Dedupe Hash
	// Attempt is the number of this attempt, from 1; those that were given back
	// do not count.
	Attempt int
	// Crashes is how many of the attempts before ended without a word.
	Crashes int
	// Replays is how often the event was replayed.
	Replays int
	// Due is when it was due before it was claimed.
	Due time.Time
}

// Outcome is how a lease ends.
type Outcome struct {
	// State is Done, Dead, or Pending for another attempt.
	State State
	// Due is the time of that attempt.
	Due time.Time
	// GivenBack says that this claim was no attempt: Attempt shrinks by 1.
	GivenBack bool
	// Hold says that a Dead event holds back the later ones of its lane.
	Hold bool
	// Reason is why it is Dead, or Pending again.
	Reason string
}

// Filter selects events. The zero value selects the first [DefaultLimit].
type Filter struct {
	// State is that of the events. 0 means any.
	State State
	// Source and ID, if they are not empty, are those of the events.
	Source, ID string
	// After leaves out events up to this Seq: that of the last record of one page
	// gives the next.
	After int64
	// Limit is how many are selected at most. 0 means [DefaultLimit].
	Limit int
	// Content asks for Body and Header, too.
	Content bool
}

// Record is an event in a store.
type Record struct {
	// Event has no Body and no Header unless Filter.Content is set.
	Event
	// Seq is the number of the event in its store.
	Seq int64
	// State is where it is.
	State State
	// Due is when it is Pending for, or its lease is over; else zero.
	Due time.Time
	// Ended is since when it is Done, Dead, Quarantined or Discarded; else zero.
	Ended time.Time
	// Attempt, Crashes and Replays are those of [Claim], of the last one.
	Attempt, Crashes, Replays int
	// Holds says that it is Dead and holds back the later ones of its lane.
	Holds bool
	// Reason is why the last attempt failed. It is the text of the handler's
	// error.
	Reason string
}

// Stats says what is in an inbox. An event is in one of the states.
type Stats struct {
	Pending, Leased, Waiting, Dead, Quarantined int64
	// Oldest is when the event was Received that was stored first among those
	// that are Pending, Leased or Waiting, zero if there are none. Its age is
	// what to alert on.
	Oldest time.Time
	// Put counts what became of the events that were put by this Inbox since it
	// was made. A Store leaves it zero.
	Put PutCounts
}

// PutCounts counts events by the result of Put.
type PutCounts struct{ Stored, Duplicates, Reused, Refused int64 }
