package storetest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

var _ inbox.TxStore = (*storetest.Faulty)(nil)

var errDisk = errors.New("the disk is full")

// A store that fails only when it is told to is a store.
func TestFaulty(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) inbox.Store { return untransacted{storetest.NewFaulty(inbox.NewMemory())} })
}

// untransacted hides Transact, which Memory has not.
type untransacted struct{ inbox.Store }

func TestFaultyFails(t *testing.T) {
	t.Parallel()
	f := storetest.NewFaulty(inbox.NewMemory())
	ctx, now := t.Context(), time.Now()
	calls := map[storetest.Op]func() error{
		storetest.Now:     func() error { _, err := f.Now(ctx); return err },
		storetest.Put:     func() error { _, err := f.Put(ctx, now, nil); return err },
		storetest.Claim:   func() error { _, err := f.Claim(ctx, now, now, 1); return err },
		storetest.Extend:  func() error { _, err := f.Extend(ctx, nil, now); return err },
		storetest.Backlog: func() error { _, err := f.Backlog(ctx, 1); return err },
		storetest.List:    func() error { _, err := f.List(ctx, inbox.Filter{}); return err },
		storetest.Replay:  func() error { _, err := f.Replay(ctx, now, nil); return err },
		storetest.Discard: func() error { _, err := f.Discard(ctx, now, nil); return err },
		storetest.Purge:   func() error { _, err := f.Purge(ctx, now, now, 1); return err },
		storetest.Stats:   func() error { _, err := f.Stats(ctx); return err },
	}
	for op, call := range calls {
		require.NoError(t, call(), op)
		for _, fail := range []func(storetest.Op, error){f.Fail, f.FailAfter} {
			fail(op, errDisk)
			for other, call := range calls {
				require.Equal(t, other == op, errors.Is(call(), errDisk), "%s when %s fails", other, op)
			}
			fail(op, nil)
			require.NoError(t, call(), op)
			fail(storetest.Every, errDisk)
			require.ErrorIs(t, call(), errDisk, op)
			fail(storetest.Every, nil)
		}
	}
	f.Fail(storetest.Finish, errDisk)
	require.ErrorIs(t, f.Finish(ctx, now, inbox.Token{}, inbox.Outcome{}), errDisk)
	f.FailAfter(storetest.Finish, errDisk)
	require.ErrorIs(t, f.Finish(ctx, now, inbox.Token{}, inbox.Outcome{State: inbox.Done}), inbox.ErrStale, "what has failed has not succeeded")
	require.ErrorContains(t, f.Transact(ctx, now, inbox.Token{}, func(*sql.Tx) error { return nil }), "no inbox.TxStore")
}

// A commit whose answer is lost: the source sends the event again, and it is
// handled once.
func ExampleFaulty() {
	store := storetest.NewFaulty(inbox.NewMemory())
	in, err := inbox.New(inbox.Config{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	event := inbox.Event{Source: "stripe", ID: "evt_1", IDSigned: true}

	store.FailAfter(storetest.Put, errors.New("connection reset"))
	_, err = in.Put(context.Background(), event)
	fmt.Println(err)

	store.FailAfter(storetest.Put, nil)
	fmt.Println(in.Put(context.Background(), event))
	// Output:
	// inbox: put: connection reset
	// [duplicate] <nil>
}

// The end of an attempt that was recorded, though nobody was told: the event is
// Done, and is not handled again.
func TestFinishWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(inbox.NewMemory())
		handled := 0
		in, err := inbox.New(inbox.Config{Store: store, Handle: func(context.Context, *inbox.Delivery) error { handled++; return nil }})
		require.NoError(t, err)
		_, err = in.Put(t.Context(), inbox.Event{Source: "test", ID: "a", IDSigned: true})
		require.NoError(t, err)
		store.FailAfter(storetest.Finish, errDisk)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, in.Run(ctx))
		require.Equal(t, 1, handled)
		records, err := in.List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		require.Equal(t, inbox.Done, records[0].State)
	})
}
