package sender

import (
	"context"
	"database/sql"
	"time"
)

// Store keeps messages until they are delivered, and what is known of their
// endpoints. Package sqlstore has one for SQLite and PostgreSQL, and [NewMemory]
// makes one that forgets all when the program ends. Package storetest tests any
// other.
//
// A Store must be safe for concurrent use, by several programs if it is shared.
// Each method is one transaction: when it returns a nil error what it did is
// durable, when it returns an error it has done all or nothing. Times are given
// by the caller, whose clock should be right to some seconds.
type Store interface {
	// Put stores messages that are due now, all or none, and returns how many
	// are new: one whose Endpoint and ID are there already is left as it is. It
	// returns a [*FullError] when there is no room.
	Put(ctx context.Context, now time.Time, messages []Message) (fresh int, err error)

	// Claim leases at most limit messages until the given time: Pending ones
	// whose time has come, and Leased ones whose lease is over. Of one endpoint
	// at most perEndpoint are leased at a time; none if it is disabled or paused
	// at now. No endpoint waits for another: of each that may have one the
	// message that is longest due comes first, then the second of each, and so
	// on. Attempt grows by 1. Nobody else gets the same Token for a message.
	Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]Claim, error)

	// Finish ends a lease, and returns what is known of the endpoint now. If the
	// lease is not the token's any more it changes nothing and returns
	// [ErrStale].
	Finish(ctx context.Context, now time.Time, token Token, o Outcome) (Health, error)

	// Disable keeps messages of the endpoint from being claimed, and reports
	// whether they could be before. Enable takes that back, and what is known
	// of failures and pauses with it; it reports whether the endpoint was
	// disabled.
	Disable(ctx context.Context, now time.Time, endpoint, reason string) (bool, error)
	Enable(ctx context.Context, endpoint string) (bool, error)

	// Health returns what is known of an endpoint, which for one that is not
	// known is its name alone.
	Health(ctx context.Context, endpoint string) (Health, error)

	// List returns the messages that fit, in the order in which they were stored.
	List(ctx context.Context, f Filter) ([]Record, error)

	// Replay makes those messages Pending and due now that are Done or Dead.
	// Attempt starts anew. It returns how many there were.
	Replay(ctx context.Context, now time.Time, seqs []int64) (int, error)

	// Purge forgets at most limit messages that are Done or Dead since before
	// the given time, or Pending and whose endpoint is disabled since before it.
	// It returns how many there were. It forgets endpoints that have no message
	// any more and are not disabled.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)

	// Stats counts what is in the store.
	Stats(ctx context.Context) (Stats, error)
}

// TxStore is a Store in a database that programs can write to in the same
// transaction. PutTx does what Put does in a transaction of the caller's, who
// commits it or not: a row and the message that tells of it become visible
// together, or neither does. It need not tell anybody: [Sender.Run] finds by
// itself what is due.
type TxStore interface {
	Store

	PutTx(ctx context.Context, tx *sql.Tx, now time.Time, messages []Message) (fresh int, err error)
}

// State is where a message is on its way.
type State int

// The states. The numbers are stored.
const (
	// Pending messages wait for their time, which may have come.
	Pending State = 1
	// Leased messages are being delivered or, if the lease is over, were.
	Leased State = 2
	// Done messages were taken by their endpoint.
	Done State = 3
	// Dead messages will not be tried again unless somebody says so.
	Dead State = 4
)

// String returns the name of the state in lower case.
func (s State) String() string {
	names := [...]string{"unknown", "pending", "leased", "done", "dead"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// Token proves that a message is leased to whoever has it.
type Token struct {
	// Seq is the number of the message in its store. Later ones have greater
	// numbers, and none is used twice.
	Seq int64
	// Fence grows with each claim of the message.
	Fence int64
}

// Claim is a message that was leased.
type Claim struct {
	Token
	Message
	// Attempt is the number of this attempt, from 1.
	Attempt int
	// Created is when the message was stored.
	Created time.Time
	// Due is when it was due before it was claimed.
	Due time.Time
}

// Verdict is what an attempt says of its endpoint.
type Verdict int

// The verdicts.
const (
	// Neither changes nothing.
	Neither Verdict = iota
	// Success ends the failures in a row. A pause goes on.
	Success
	// Failure is one more failure in a row.
	Failure
)

// Outcome is how a lease ends.
type Outcome struct {
	// State is Done, Dead, or Pending for another attempt.
	State State
	// Due is the time of that attempt.
	Due time.Time
	// GivenBack says that this claim was no attempt: Attempt shrinks by 1.
	GivenBack bool
	// Reason is why it is Dead, or Pending again.
	Reason string
	// Verdict is what the attempt says of its endpoint.
	Verdict Verdict
	// Pause, unless it is zero, is the time until which no message of the
	// endpoint is claimed, unless a later one is known.
	Pause time.Time
}

// Health is what is known of an endpoint.
type Health struct {
	// Endpoint is its name.
	Endpoint string
	// Failures is how many attempts in a row have failed.
	Failures int
	// FailingSince is when the first of them did, zero if there is none.
	FailingSince time.Time
	// PausedUntil is when the next attempt may be made, if that is not now.
	PausedUntil time.Time
	// DisabledAt is when the endpoint was disabled, zero if it is not.
	DisabledAt time.Time
	// Reason is why it was disabled.
	Reason string
}

// EndpointState is the state of an endpoint.
type EndpointState int

// The states of an endpoint.
const (
	// Active endpoints get what is due.
	Active EndpointState = iota
	// Failing endpoints get what is due, but the last attempt has failed.
	Failing
	// Paused endpoints get nothing until a time is over: they have asked for it,
	// or their circuit is open.
	Paused
	// Disabled endpoints get nothing until they are enabled.
	Disabled
)

// String returns the name of the state in lower case.
func (s EndpointState) String() string {
	names := [...]string{"active", "failing", "paused", "disabled"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// State returns the state of the endpoint at a time.
func (h Health) State(at time.Time) EndpointState {
	switch {
	case !h.DisabledAt.IsZero():
		return Disabled
	case h.PausedUntil.After(at):
		return Paused
	case h.Failures > 0:
		return Failing
	}
	return Active
}

// Filter selects messages. The zero value selects the first [DefaultLimit].
type Filter struct {
	// State is that of the messages. 0 means any.
	State State
	// Endpoint and ID, if they are not empty, are those of the messages.
	Endpoint, ID string
	// After leaves out messages up to this Seq: that of the last record of one
	// page gives the next.
	After int64
	// Limit is how many are selected at most. 0 means [DefaultLimit].
	Limit int
	// Content asks for Body, too.
	Content bool
}

// Record is a message in a store.
type Record struct {
	// Message has no Body unless Filter.Content is set.
	Message
	// Seq is the number of the message in its store.
	Seq int64
	// State is where it is.
	State State
	// Created is when it was stored.
	Created time.Time
	// Due is when it is Pending for, or its lease is over; else zero.
	Due time.Time
	// Ended is since when it is Done or Dead; else zero.
	Ended time.Time
	// Attempt is the number of the last attempt.
	Attempt int
	// Reason is why that has failed.
	Reason string
}

// Stats says what is in a store, and what a [Sender] has done.
type Stats struct {
	// Pending, Leased, Done and Dead count messages.
	Pending, Leased, Done, Dead int64
	// Disabled counts endpoints.
	Disabled int64
	// Oldest is when the message was stored that is the first among those that
	// are Pending or Leased, zero if there are none.
	Oldest time.Time
	// Sent counts what this Sender has done since it was made. A Store leaves it
	// zero.
	Sent SentCounts
}

// SentCounts counts attempts. Each is counted once, but those that are blocked
// are among the failed.
type SentCounts struct{ Delivered, Failed, Blocked, GivenBack, Lost int64 }
