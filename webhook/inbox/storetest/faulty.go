package storetest

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// Op is a method of [inbox.Store] or [inbox.TxStore], or [Every].
type Op string

// The operations.
const (
	Every    Op = ""
	Now      Op = "now"
	Put      Op = "put"
	Claim    Op = "claim"
	Extend   Op = "extend"
	Finish   Op = "finish"
	Transact Op = "transact"
	Backlog  Op = "backlog"
	List     Op = "list"
	Replay   Op = "replay"
	Discard  Op = "discard"
	Purge    Op = "purge"
	Stats    Op = "stats"
)

// Faulty is a store that fails on command, for tests of what uses an
// [inbox.Inbox]: a disk that is full, a connection that is lost, a process that
// dies between a commit and what was to follow it. It is an [inbox.TxStore] if
// the store behind it is one; else Transact fails. It is safe for concurrent use.
type Faulty struct {
	store inbox.Store

	mu     sync.Mutex
	faults map[Op]fault
}

type fault struct {
	err  error
	done bool // before it fails
}

// NewFaulty returns a store that works as s does, until it is told to fail.
func NewFaulty(s inbox.Store) *Faulty { return &Faulty{store: s, faults: make(map[Op]fault)} }

// Fail makes calls of op fail with err, and do nothing. A nil err lets them
// succeed again. What was said of an operation comes before what was said of
// [Every].
func (f *Faulty) Fail(op Op, err error) { f.set(op, fault{err: err}) }

// FailAfter makes calls of op do what they should, and then fail with err, as if
// the answer had been lost: the caller cannot know. A nil err lets them succeed
// again.
func (f *Faulty) FailAfter(op Op, err error) { f.set(op, fault{err: err, done: true}) }

func (f *Faulty) set(op Op, failure fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if failure.err == nil {
		delete(f.faults, op)
		return
	}
	f.faults[op] = failure
}

func (f *Faulty) fault(op Op) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if failure, ok := f.faults[op]; ok {
		return failure
	}
	return f.faults[Every]
}

// call calls a method of the store behind.
func call[T any](f *Faulty, op Op, method func() (T, error)) (T, error) {
	var none T
	failure := f.fault(op)
	if failure.err != nil && !failure.done {
		return none, failure.err
	}
	result, err := method()
	if err == nil && failure.err != nil {
		return none, failure.err
	}
	return result, err
}

// do is call for methods that return an error alone.
func (f *Faulty) do(op Op, method func() error) error {
	_, err := call(f, op, func() (struct{}, error) { return struct{}{}, method() })
	return err
}

// Now is that of the store behind.
func (f *Faulty) Now(ctx context.Context) (time.Time, error) {
	return call(f, Now, func() (time.Time, error) { return f.store.Now(ctx) })
}

// Put is that of the store behind.
func (f *Faulty) Put(ctx context.Context, now time.Time, entries []inbox.Entry) ([]inbox.Result, error) {
	return call(f, Put, func() ([]inbox.Result, error) { return f.store.Put(ctx, now, entries) })
}

// Claim is that of the store behind.
func (f *Faulty) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	return call(f, Claim, func() ([]inbox.Claim, error) { return f.store.Claim(ctx, now, until, limit) })
}

// Extend is that of the store behind.
func (f *Faulty) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	return call(f, Extend, func() ([]inbox.Token, error) { return f.store.Extend(ctx, tokens, until) })
}

// Finish is that of the store behind.
func (f *Faulty) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	return f.do(Finish, func() error { return f.store.Finish(ctx, now, token, o) })
}

// Transact is that of the store behind, if it has one.
func (f *Faulty) Transact(ctx context.Context, now time.Time, token inbox.Token, fn func(*sql.Tx) error) error {
	store, ok := f.store.(inbox.TxStore)
	if !ok {
		return errors.New("storetest: the store is no inbox.TxStore")
	}
	return f.do(Transact, func() error { return store.Transact(ctx, now, token, fn) })
}

// Backlog is that of the store behind.
func (f *Faulty) Backlog(ctx context.Context, limit int) (int, error) {
	return call(f, Backlog, func() (int, error) { return f.store.Backlog(ctx, limit) })
}

// List is that of the store behind.
func (f *Faulty) List(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
	return call(f, List, func() ([]inbox.Record, error) { return f.store.List(ctx, filter) })
}

// Replay is that of the store behind.
func (f *Faulty) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return call(f, Replay, func() (int, error) { return f.store.Replay(ctx, now, seqs) })
}

// Discard is that of the store behind.
func (f *Faulty) Discard(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return call(f, Discard, func() (int, error) { return f.store.Discard(ctx, now, seqs) })
}

// Purge is that of the store behind.
func (f *Faulty) Purge(ctx context.Context, done, dead time.Time, limit int) (int, error) {
	return call(f, Purge, func() (int, error) { return f.store.Purge(ctx, done, dead, limit) })
}

// Stats is that of the store behind.
func (f *Faulty) Stats(ctx context.Context) (inbox.Stats, error) {
	return call(f, Stats, func() (inbox.Stats, error) { return f.store.Stats(ctx) })
}
