package storetest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func testFields(t *testing.T, s inbox.Store) {
	for _, event := range []inbox.Event{
		{Source: "least"},
		{
			Source: "stripe/acct_7", ID: "evt_1", IDSigned: true, Type: "invoice.paid", Key: "cus_9",
			Body:   []byte(`{"a":1}`),
			Header: http.Header{"Content-Type": {"application/json"}, "X-Two": {"a", "b"}},
		},
		{Source: "ünï", ID: "'; DROP TABLE x; --", Type: "\t\u2028", Key: `\x00`, Body: []byte{0, 0xff, 0xfe, '\n', 0}},
		{Source: "large", Body: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)},
		{Source: "zero body", Body: []byte{}},
	} {
		event.Received = start.Add(-time.Hour)
		event.Fingerprint = hash("print", event.Source)
		e := inbox.Entry{Event: event, Dedupe: hash("id", event.Source)}
		if event.Key != "" {
			e.Lane = hash("lane", event.Source)
		}
		putNew(t, s, at(0), e)

		c := claimOne(t, s, at(0))
		sameEvent(t, event, c.Event)
		require.Equal(t, e.Dedupe, c.Dedupe)
		require.Equal(t, e.Lane, c.Lane)
		require.Positive(t, c.Seq)
		require.Equal(t, []int{1, 0, 0}, []int{c.Attempt, c.Crashes, c.Replays})
		require.True(t, c.Due.Equal(at(0)))
		finish(t, s, at(1), c, inbox.Outcome{State: inbox.Done})

		records, err := s.List(t.Context(), inbox.Filter{Source: event.Source, Content: true})
		require.NoError(t, err)
		require.Len(t, records, 1)
		r := records[0]
		sameEvent(t, event, r.Event)
		require.Equal(t, inbox.Done, r.State)
		require.Equal(t, c.Seq, r.Seq)
		require.True(t, r.Ended.Equal(at(1)))
		require.True(t, r.Due.IsZero())
	}
}

func testDuplicates(t *testing.T, s inbox.Store) {
	first := newEntry("a")
	putNew(t, s, at(0), first)
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(1), first))

	// Content is the same under any ID.
	unsigned := newEntry("u")
	unsigned.IDSigned, unsigned.Content = false, hash("content", "u")
	putNew(t, s, at(1), unsigned)
	again := unsigned
	again.ID, again.Dedupe = "other", hash("id", "other")
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(2), again))
	// And a known content under the ID of another event is no reuse.
	again.ID, again.Dedupe, again.Reuse = "a", first.Dedupe, hash("reuse", "a")
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(2), again))

	// In each state.
	c := claim(t, s, at(2), 10)
	require.Equal(t, []string{"a", "u"}, ids(c))
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(3), first))
	finish(t, s, at(3), c[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(3), c[1], inbox.Outcome{State: inbox.Dead})
	require.Equal(t, []inbox.Result{inbox.Duplicate, inbox.Duplicate}, put(t, s, at(4), first, unsigned))
	require.Empty(t, claim(t, s, at(1000), 10))
}

func testReuse(t *testing.T, s inbox.Store) {
	first := inLane("a", "k")
	putNew(t, s, at(0), first)
	other := first
	other.Fingerprint = hash("body", "changed")
	other.Body = []byte("changed")
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(1), other), "without Reuse")

	other.Reuse, other.Content = hash("reuse", "a"), hash("content", "changed")
	require.Equal(t, []inbox.Result{inbox.Reuse, inbox.Duplicate}, put(t, s, at(1), other, other))
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(2), other))

	c := claimOne(t, s, at(2))
	sameEvent(t, first.Event, c.Event)
	finish(t, s, at(2), c, inbox.Outcome{State: inbox.Done})
	require.Empty(t, claim(t, s, at(1000), 10), "what is quarantined is not handled")

	records := find(t, s, "a")
	require.Len(t, records, 2)
	require.Equal(t, inbox.Quarantined, records[1].State)
	require.Equal(t, "changed", string(records[1].Body))
	require.True(t, records[1].Ended.Equal(at(1)))

	// It must not make the event that has this content by right look known.
	right := newEntry("b")
	right.Fingerprint, right.Content = other.Fingerprint, other.Content
	putNew(t, s, at(3), right)
	// Nor does it keep its lane busy.
	putNew(t, s, at(3), inLane("c", "k"))
	require.Equal(t, []string{"b", "c"}, ids(claim(t, s, at(3), 10)))
}

func testBatch(t *testing.T, s inbox.Store) {
	a, b := newEntry("a"), newEntry("b")
	require.Equal(t, []inbox.Result{inbox.Stored, inbox.Duplicate, inbox.Stored}, put(t, s, at(0), a, a, b))
	require.Equal(t, []inbox.Result{inbox.Duplicate, inbox.Stored, inbox.Duplicate}, put(t, s, at(0), b, newEntry("c"), a))
	require.Empty(t, put(t, s, at(0)))
	var many []inbox.Entry
	for i := range 100 {
		many = append(many, newEntry(string(rune('A'+i%26))+string(rune('a'+i/26))))
	}
	putNew(t, s, at(1), many...)
	claims := claim(t, s, at(2), 200)
	require.Len(t, claims, 103)
	for i := range many {
		require.Equal(t, many[i].ID, claims[3+i].ID, "the order of a batch")
	}
}

// testCopies puts the same events from many goroutines at once, in batches of
// different orders.
func testCopies(t *testing.T, s inbox.Store) {
	const senders, events = 32, 5
	var stored sync.Map
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			var batch []inbox.Entry
			for j := range events {
				e := newEntry(string(rune('a' + (i+j)%events)))
				e.Content = hash("content", e.ID)
				batch = append(batch, e)
			}
			results, err := s.Put(t.Context(), at(0), batch)
			if err != nil {
				t.Errorf("put: %v", err)
				return
			}
			for j, result := range results {
				if result == inbox.Stored {
					if _, twice := stored.LoadOrStore(batch[j].ID, i); twice {
						t.Errorf("%s was stored twice", batch[j].ID)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, claim(t, s, at(1), 100), events)
}

// testCanceled makes calls whose context is over: they fail and change nothing.
func testCanceled(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, at(0), []inbox.Entry{newEntry("b")})
	require.Error(t, err)
	_, err = s.Claim(ctx, at(0), at(60), 1)
	require.Error(t, err)
	c := claimOne(t, s, at(0))
	err = s.Finish(ctx, at(0), c.Token, inbox.Outcome{State: inbox.Done})
	require.Error(t, err)
	require.False(t, errors.Is(err, inbox.ErrStale))
	_, err = s.Extend(ctx, []inbox.Token{c.Token}, at(100))
	require.Error(t, err)
	_, err = s.List(ctx, inbox.Filter{})
	require.Error(t, err)
	_, err = s.Stats(ctx)
	require.Error(t, err)
	_, err = s.Backlog(ctx, 10)
	require.Error(t, err)
	_, err = s.Replay(ctx, at(0), []int64{c.Seq})
	require.Error(t, err)
	_, err = s.Discard(ctx, at(0), []int64{c.Seq})
	require.Error(t, err)
	_, err = s.Purge(ctx, at(0), at(0), 10)
	require.Error(t, err)
	finish(t, s, at(1), c, inbox.Outcome{State: inbox.Done})
	require.Empty(t, find(t, s, "b"))
}
